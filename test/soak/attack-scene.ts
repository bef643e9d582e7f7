import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { hashPassword, phcText } from '../../src/mint/passwords.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'
import type { AttackInit } from './attackers.ts'
import type { HonestFigures, HonestInit } from './honest.ts'

/** A gate that is a process of its own, before two engines; the callers of two teams have tokens. */
export interface AttackScene {
  readonly port: number
  readonly isTls: boolean
  /** Of one team, one for each honest caller. */
  readonly honestTokens: readonly string[]
  /** Of another team with the same engines. */
  readonly attackToken: string
  /** Resident memory of the gate in bytes. */
  rss(): number
  /** The last lines of its log. */
  log(): string
  /** Sends SIGTERM. @returns how long the process took to end, and with what; null when it did not within a minute */
  stop(): Promise<{ readonly tookMs: number; readonly exit: string } | null>
  close(): void
}

const CALLERS = 50
const ISSUER = 'https://attack.example'
const GATE_ISSUER = 'https://gate.attack.example'
/** What the gate may take for calls that run at SIGTERM. */
export const DRAIN_MS = 5_000

/** Asks a process of this folder for its figures. */
export async function figuresOf<T>(child: ChildProcess): Promise<T> {
  const answered = once(child, 'message')
  child.send('figures')
  const [figures] = (await answered) as [T]
  return figures
}

/** Starts one of the processes of this folder. It ends with this one, or when it is disconnected. */
export function start(file: string, env: Record<string, string> = {}): ChildProcess {
  return fork(new URL(file, import.meta.url), { execArgv: [], env: { ...process.env, ...env } })
}

/**
 * Runs a process on one of two CPUs. Does nothing where that is not possible.
 * @param isIdle it runs only while no other process wants its CPU, as attackers do, which have machines of their own in life
 */
function pin(child: ChildProcess, cpu: number, isIdle = false): ChildProcess {
  if (child.pid === undefined || cpus().length < 2) return child
  try {
    execFileSync('taskset', ['-apc', String(cpu), String(child.pid)], { stdio: 'ignore' })
    if (isIdle) execFileSync('chrt', ['--idle', '--all-tasks', '--pid', '0', String(child.pid)], { stdio: 'ignore' })
  } catch {
    process.stderr.write('a process could not be bound to a CPU: figures are of processes that share all of them\n')
  }
  return child
}
/** The gateway has one CPU; callers, engines and attackers share another one. */
const GATEWAY_CPU = 0
const OTHERS_CPU = 1

export const startHonest = (of: HonestInit): ChildProcess =>
  pin(start('honest.ts', { HONEST: JSON.stringify(of) }), OTHERS_CPU)
export const startAttack = (of: AttackInit): ChildProcess =>
  pin(start('attackers.ts', { ATTACK: JSON.stringify(of) }), OTHERS_CPU, true)
export const honestFigures = (child: ChildProcess): Promise<HonestFigures> => figuresOf<HonestFigures>(child)

/** Starts a gate with TLS or without, and its engines. */
export async function openAttackScene(isTls: boolean): Promise<AttackScene> {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-attack-'))
  const engines = [start('attack-engine.ts'), start('attack-engine.ts')].map(engine => pin(engine, OTHERS_CPU))
  const ports = await Promise.all(engines.map(async engine => ((await once(engine, 'message')) as [number])[0]))
  const key = makeKey()
  const [port, adminPort] = [await freePort(), await freePort()]
  const tls = isTls ? ', tls: { cert: cert.pem, key: key.pem }' : ''
  if (isTls) {
    const args = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1'
    execFileSync('openssl', [...args.split(' '), '-keyout', `${dir}/key.pem`, '-out', `${dir}/cert.pem`], {
      stdio: 'ignore'
    })
  }
  writeFileSync(`${dir}/jwks.json`, JSON.stringify({ keys: [key.publicJwk] }))
  const user = `{ password: "${phcText(await hashPassword('right'))}", team: honest, scopes: [infer:text] }`
  writeFileSync(`${dir}/users.yaml`, `users:\n  ada: ${user}\n`, { mode: 0o600 })
  writeFileSync(
    `${dir}/tollgate.yaml`,
    `server: { listen: "127.0.0.1:${port}", drain: { accept: 0s, timeout: ${DRAIN_MS}ms }${tls} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
mint: { issuer: "${GATE_ISSUER}", audience: inference, keys: { dir: keys }, users: users.yaml }
clients: { bans: { never: [127.0.1.0/24] } }
pools: { p: { engine: vllm, targets: [${ports.map(port => `"http://127.0.0.1:${port}"`)}], models: [m] } }
teams: { honest: { pool: p }, attackers: { pool: p } }
audit: { to: audit.log }
`
  )
  const log = `${dir}/gate.log`
  const out = openSync(log, 'a')
  const gate = spawn(
    process.execPath,
    [new URL('../../src/cli.ts', import.meta.url).pathname, 'serve', '--config', `${dir}/tollgate.yaml`],
    { stdio: ['ignore', out, out] }
  )
  pin(gate, GATEWAY_CPU)
  const ended = once(gate, 'exit') as Promise<[number | null, string | null]>
  for (;;) {
    const isReady = await fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
      answer => answer.ok,
      () => false
    )
    if (isReady) break
    if (gate.exitCode !== null) throw new Error(readFileSync(log, 'utf8'))
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  const sign = (sub: string, team: string) =>
    signWith(key, { iss: ISSUER, sub, team_id: team, exp: Math.floor(Date.now() / 1000) + 3_000 })
  return {
    port,
    isTls,
    honestTokens: await Promise.all(Array.from({ length: CALLERS }, (_, number) => sign(`h-${number}`, 'honest'))),
    attackToken: await sign('mallory', 'attackers'),
    rss() {
      const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gate.pid}/status`, 'utf8')) ?? []
      return Number(kib) * 1024
    },
    log: () => readFileSync(log, 'utf8').split('\n').slice(-20).join('\n'),
    async stop() {
      const startedMs = performance.now()
      gate.kill('SIGTERM')
      const late = new Promise<null>(resolve => setTimeout(() => resolve(null), 60_000).unref())
      const end = await Promise.race([ended, late])
      return end === null ? null : { tookMs: performance.now() - startedMs, exit: String(end[0] ?? end[1]) }
    },
    close() {
      gate.kill('SIGKILL')
      for (const engine of engines) engine.disconnect()
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
