import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import type { Test } from 'tap'
import { freePort } from './ports.ts'

/** The server program of Redis or Valkey that is installed here, or null. CI installs one (.ci/run). */
export const REDIS_PROGRAM =
  ['redis-server', 'valkey-server'].find(name => spawnSync(name, ['--version']).status === 0) ?? null

/** For tests that need one: why they are left out. */
export const WITHOUT_REDIS =
  REDIS_PROGRAM === null ? { skip: 'neither redis-server nor valkey-server is installed' } : {}

/** A server of the test's own, in memory alone. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Ends it at once; resolves when it is gone. What it knew is gone too. */
  kill(): Promise<void>
  /** Starts it anew on its port. */
  start(): Promise<void>
  /** Lets it stand still, and go on. */
  freeze(): void
  thaw(): void
}

/** Starts a server on a free port; it ends with the test. @param more arguments besides */
export async function startRedis(t: Pick<Test, 'teardown'>, more: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort()
  const dir = mkdtempSync(`${tmpdir()}/tollgate-redis-`)
  let child: ChildProcess | null = null
  const kill = async () => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const start = async () => {
    const started = spawn(
      REDIS_PROGRAM ?? 'redis-server',
      ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no', ...more],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    child = started
    await new Promise<void>((resolve, reject) => {
      let text = ''
      started.stdout.on('data', piece => {
        text += String(piece)
        if (text.includes('Ready to accept connections')) resolve()
      })
      started.once('error', reject)
      started.once('exit', code => reject(new Error(`redis-server ended with ${code}:\n${text}`)))
    })
  }
  t.teardown(async () => {
    await kill()
    rmSync(dir, { recursive: true, force: true })
  })
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill,
    start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT')
  }
}

/** A cluster of one node: it refuses a step over buckets that a larger one would place apart. */
export async function startRedisCluster(t: Pick<Test, 'teardown'>): Promise<RedisServer> {
  // The port of its bus: else 10,000 above the other one, where the kernel takes the ports of connections from.
  const bus = String(await freePort())
  const server = await startRedis(t, [
    ...['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', bus]
  ])
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  const ask = async (line: string) => {
    socket.write(`${line}\r\n`)
    const [answer] = await once(socket, 'data')
    return String(answer)
  }
  const answer = await ask('CLUSTER ADDSLOTSRANGE 0 16383')
  if (answer !== '+OK\r\n') throw new Error(answer)
  // It serves nothing until it has thought about it.
  while (!(await ask('CLUSTER INFO')).includes('cluster_state:ok'))
    await new Promise(resolve => setTimeout(resolve, 10))
  socket.destroy()
  return server
}
