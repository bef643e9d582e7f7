import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'

/** Below where the kernel takes the ports of connections from: between asking and listening, nobody is given them. */
const FIRST = 10_000
const COUNT = 22_000

let next = Math.floor(Math.random() * COUNT)

/**
 * A port of loopback that is free, and given to nobody else while this process lives: not to other tests either, when what
 * listens there has not begun yet or is started again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + (next++ % COUNT)
    if (!(await isOurs(port)) || !(await isFree(port))) continue
    return port
  }
}

/** Takes a port among all tests of the machine: an abstract socket (unix(7)) has one owner, and goes with its process. */
async function isOurs(port: number): Promise<boolean> {
  const mark = createServer().unref()
  return await new Promise(resolve => {
    mark.once('error', () => resolve(false))
    mark.listen(`\0tollgate-test-port-${port}`, () => resolve(true))
  })
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/**
 * How many connections a listener on loopback has not taken yet. Its queue is full with one more than its backlog (proc(5),
 * net/tcp: `rx_queue` of a socket that listens).
 */
export async function waitingAt(port: number): Promise<number> {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const row of (await readFile('/proc/net/tcp', 'utf8')).split('\n')) {
    const [, address, , state, queues] = row.trim().split(/\s+/)
    if (address === local && state === '0A') return Number.parseInt(queues?.split(':')[1] ?? '0', 16)
  }
  return 0
}
