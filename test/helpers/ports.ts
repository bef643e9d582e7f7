import { createServer } from 'node:net'

/** Below where the kernel takes the ports of connections from: between asking and listening, nobody is given them. */
const FIRST = 10_000
const COUNT = 22_000

let next = Math.floor(Math.random() * COUNT)

/** A port of loopback that is free, and stays so unless somebody asks for it by its number. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + (next++ % COUNT)
    const server = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise(resolve => server.close(resolve))
    return port
  }
}
