import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  /** Of the bus of a cluster: else 10,000 above the other one, where the kernel takes the ports of connections from. */
  readonly busPort: number
  /** Its folder. */
  readonly dir: string
  /** Ends it at once; resolves when it is gone. What it knew is gone too. */
  kill(): Promise<void>
  /** Starts it anew on its port. */
  start(): Promise<void>
  /** Sends it one command, as a person at a terminal would: `SENTINEL FAILOVER x`. Resolves with the raw answer. */
  tell(line: string): Promise<string>
  /** Lets it stand still, and go on. */
  freeze(): void
  thaw(): void
}

/** Starts a server on a free port; it ends with the test. @param more arguments besides @param config a file of its own */
export async function startRedis(
  t: Pick<Test, 'teardown'>,
  more: readonly string[] = [],
  config?: (port: number) => string
): Promise<RedisServer> {
  const [port, busPort] = [await freePort(), await freePort()]
  const dir = mkdtempSync(`${tmpdir()}/tollgate-redis-`)
  let child: ChildProcess | null = null
  const kill = async () => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const start = async () => {
    const own = `--port ${port} --bind 127.0.0.1 --dir ${dir} --appendonly no --repl-diskless-sync-delay 0`.split(' ')
    if (more.includes('--cluster-enabled')) own.push('--cluster-port', String(busPort))
    if (config !== undefined) writeFileSync(`${dir}/redis.conf`, config(port))
    const started = spawn(
      REDIS_PROGRAM ?? 'redis-server',
      config === undefined ? [...own, '--save', '', ...more] : [`${dir}/redis.conf`, ...more],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    child = started
    await new Promise<void>((resolve, reject) => {
      let text = ''
      started.stdout.on('data', piece => {
        text += String(piece)
        if (/Ready to accept connections|Sentinel ID is/.test(text)) resolve()
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
    busPort,
    dir,
    kill,
    start,
    tell: line => tell(port, line),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT')
  }
}

/** One command over a connection of its own, which ends with the first piece of the answer. */
async function tell(port: number, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${line}\r\n`)
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return String(answer)
}

/** A replica of another server, when it has its data. */
export async function startReplica(t: Pick<Test, 'teardown'>, of: RedisServer): Promise<RedisServer> {
  const replica = await startRedis(t, ['--replicaof', `127.0.0.1 ${of.port}`])
  while (!(await replica.tell('INFO replication')).includes('master_link_status:up')) await soon()
  return replica
}

/** A Sentinel that watches a master named `gates`, when it knows of so many replicas. It alone decides. */
export async function startSentinel(
  t: Pick<Test, 'teardown'>,
  { master, replicas = 1 }: { readonly master: RedisServer; readonly replicas?: number }
): Promise<RedisServer> {
  const sentinel = await startRedis(
    t,
    ['--sentinel'],
    port => `port ${port}
bind 127.0.0.1
sentinel monitor gates 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds gates 300
sentinel failover-timeout gates 3000
`
  )
  const isKnown = async () => {
    const told = await sentinel.tell('SENTINEL MASTER gates')
    return told.includes(`num-slaves\r\n$${String(replicas).length}\r\n${replicas}\r\n`)
  }
  while (!(await isKnown())) await soon()
  return sentinel
}

const soon = () => new Promise(resolve => setTimeout(resolve, 10))

/** The line of rights that the README names. */
export function rightsLine(): string {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const line = /^user tollgate on >PASSWORD .*$/m.exec(readme)?.[0]
  if (line === undefined) throw new Error('the README has no line of rights')
  return line
}

/** A server whose URL is that of a user with exactly the rights that the README names. */
export async function startRedisWithRights(
  t: Pick<Test, 'teardown'>,
  { isCluster = false }: { readonly isCluster?: boolean } = {}
): Promise<RedisServer> {
  const user = ['--user', ...rightsLine().split(' ').slice(1)]
  const server = await (isCluster ? startRedisCluster(t, user) : startRedis(t, user))
  return { ...server, url: `redis://tollgate:PASSWORD@127.0.0.1:${server.port}${isCluster ? '' : '/1'}` }
}

/** A cluster of one node: it refuses a step over buckets that a larger one would place apart. */
export async function startRedisCluster(t: Pick<Test, 'teardown'>, more: readonly string[] = []): Promise<RedisServer> {
  const server = await startRedis(t, ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', ...more])
  const answer = await server.tell('CLUSTER ADDSLOTSRANGE 0 16383')
  if (answer !== '+OK\r\n') throw new Error(answer)
  // It serves nothing until it has thought about it.
  while (!(await server.tell('CLUSTER INFO')).includes('cluster_state:ok')) await soon()
  return server
}
