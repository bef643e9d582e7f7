import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { freePort } from '../helpers/ports.ts'

/** A gateway under test. */
export interface Peer {
  readonly name: string
  readonly port: number
  /** CPU time of its processes so far, microseconds. */
  cpuUs(): number
  stop(): Promise<void>
}

/** What every gateway is given. */
export interface Scene {
  readonly dir: string
  /** Of engines that are all alike; gateways have the first alone, unless they are to choose among them. */
  readonly enginePorts: readonly number[]
  readonly issuer: string
  /** Prefix of the command that pins a process, or nothing. */
  readonly pin: readonly string[]
}

const CLOCK_US = 1_000_000 / Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout || 100)

/** What sets one gate apart from another. */
export interface GateInit {
  /** For its files. */
  readonly name: string
  /** How many engines its pool has. */
  readonly targets?: number
  /** More of its pool, its team as a whole, and more keys, as YAML. */
  readonly pool?: string
  readonly team?: string
  readonly yaml?: string
  /** What runs it, with its arguments but `--config`; the command unless given. */
  readonly program?: readonly string[]
}

/** @param targets how many engines its pool has */
export async function startTollgate(scene: Scene, targets = 1): Promise<Peer> {
  return await startGate(scene, { name: String(targets), targets })
}

export async function startGate(scene: Scene, init: GateInit): Promise<Peer> {
  const { name, targets = 1, pool = '', team = '{ pool: p }', yaml = '' } = init
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = join(scene.dir, `tollgate-${name}.yaml`)
  const origins = scene.enginePorts.slice(0, targets).map(port => `"http://127.0.0.1:${port}"`)
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:${port}", drain: { accept: 0s, timeout: 1s } }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${scene.issuer}", jwks_file: jwks.json, audience: inference }]
pools: { p: { engine: vllm, targets: [${origins.join(', ')}], models: [m]${pool} } }
teams: { team-a: ${team} }
audit: { to: audit-${name}.log }
${yaml}`
  )
  const program = init.program ?? [resolve(import.meta.dirname, '../../src/cli.ts'), 'serve']
  const profile = process.env.BENCH_PROF === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROF}`]
  return await started('tollgate', port, spawn2(scene, process.execPath, [...profile, ...program, '--config', file]))
}

/** Node and undici alone: the floor. */
export async function startFloor(scene: Scene): Promise<Peer> {
  const port = await freePort()
  const file = resolve(import.meta.dirname, 'floor.ts')
  return await started(
    'floor',
    port,
    spawn2(scene, process.execPath, [file, String(port), String(scene.enginePorts[0])])
  )
}

export async function startNginx(scene: Scene): Promise<Peer | null> {
  if (!isInstalled('nginx')) return null
  const port = await freePort()
  const file = join(scene.dir, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${scene.dir}/nginx.pid; error_log ${scene.dir}/nginx.err;
events { worker_connections 4096; }
http { access_log ${scene.dir}/nginx.log; client_body_temp_path ${scene.dir}/b; proxy_temp_path ${scene.dir}/p; fastcgi_temp_path ${scene.dir}/f; uwsgi_temp_path ${scene.dir}/u; scgi_temp_path ${scene.dir}/s;
  keepalive_requests 1000000; client_max_body_size 64m; client_body_buffer_size 16m;
  upstream e { server 127.0.0.1:${scene.enginePorts[0]}; keepalive 512; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://e; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }
`
  )
  return await started('nginx', port, spawn2(scene, 'nginx', ['-c', file, '-p', scene.dir]))
}

export async function startHaproxy(scene: Scene): Promise<Peer | null> {
  if (!isInstalled('haproxy')) return null
  const port = await freePort()
  const file = join(scene.dir, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind 127.0.0.1:${port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${scene.dir}/key.pem") 1 }
  default_backend e
backend e
  server e1 127.0.0.1:${scene.enginePorts[0]}
`
  )
  return await started('haproxy', port, spawn2(scene, 'haproxy', ['-f', file]))
}

function spawn2(scene: Scene, command: string, args: readonly string[]): ChildProcess {
  const [first, ...rest] = [...scene.pin, command, ...args]
  const log = process.env.BENCH_LOG === undefined ? 'ignore' : 'inherit'
  return spawn(first ?? command, rest, { stdio: ['ignore', 'ignore', log] })
}

async function started(name: string, port: number, child: ChildProcess): Promise<Peer> {
  let isGone = false
  child.once('exit', () => {
    isGone = true
  })
  while (!(await canConnect(port))) {
    if (isGone) throw new Error(`${name} ended before it listened`)
    await new Promise(settle => setTimeout(settle, 50))
  }
  const pid = child.pid ?? 0
  return {
    name,
    port,
    cpuUs: () => familyOf(pid).reduce((sum, member) => sum + cpuOf(member), 0),
    stop: () =>
      new Promise(settle => {
        if (isGone) return settle()
        child.once('exit', () => settle())
        child.kill('SIGTERM')
        setTimeout(() => child.kill('SIGKILL'), 4_000).unref()
      })
  }
}

function familyOf(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(candidate => statOf(candidate)?.[1] === String(pid))
  return [pid, ...children.flatMap(familyOf)]
}

function cpuOf(pid: number): number {
  const stat = statOf(pid)
  return stat === null ? 0 : (Number(stat[11]) + Number(stat[12])) * CLOCK_US
}

/** The fields of /proc/PID/stat from the state on. */
function statOf(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? null
  } catch {
    return null
  }
}

function isInstalled(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
}

function canConnect(port: number): Promise<boolean> {
  return new Promise(settle => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      settle(true)
    })
    socket.once('error', () => settle(false))
  })
}
