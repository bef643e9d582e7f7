import { readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import type { Test } from 'tap'
import { type ConnectionLimits, LIMITS } from '../../src/accept/server-options.ts'
import { buildApp } from '../../src/app.ts'
import { type Config, parseConfig } from '../../src/config/load.ts'
import { type World as Built, buildDeps } from '../../src/deps.ts'
import { type EngineDouble, startEngine } from './engine.ts'
import { type Issuer, startIssuer } from './issuer.ts'

/** A response whose JSON a test looks into as it likes. */
export type Answer = Omit<Response, 'json'> & { json(): Promise<Json> }

/** Parsed JSON of a shape that the test asserts. */
// biome-ignore lint/suspicious/noExplicitAny: every look into it is an assertion of its own
type Json = any

/** A whole gate over real sockets: the real app and a key-set server, before an engine. */
export interface Gate {
  readonly port: number
  readonly url: string
  readonly issuer: Issuer
  readonly built: Built
  /** Lines of the operator's log. */
  readonly log: readonly string[]
  /** Asks the gate with a token; a string body is sent as it is. */
  ask(
    path: string,
    init?: { method?: string; token?: string | null; body?: unknown; headers?: Record<string, string> }
  ): Promise<Answer>
  /** Resolves with the audit line number `count`, from 1, when it is written. */
  audit(count?: number): Promise<Record<string, unknown>>
  /** Resolves with all audit lines when there are at least so many. */
  audits(count: number): Promise<readonly Record<string, unknown>[]>
}

/** A gate before an engine process that does what its script says. */
export interface World extends Gate {
  readonly engine: EngineDouble
}

/** What a gate may differ in. `yaml` comes after the minimal file and may use ENGINE and ISSUER. */
export interface GateOptions {
  readonly alg?: string
  /** Builds the file; the default is the minimal one. */
  readonly yaml?: (at: { engine: string; issuer: string }) => string
  readonly limits?: Partial<ConnectionLimits>
  /** Runs before the gate asks for keys; then the world does not wait for it to be ready. */
  readonly prepare?: (issuer: Issuer) => void
  /** The clock of the rooms; timers run by the real one. */
  readonly nowMs?: () => number
}

/** What a world may differ in. */
export interface WorldOptions extends GateOptions {
  readonly models?: string[]
  readonly requireKey?: string
}

const minimal = ({ engine, issuer }: { engine: string; issuer: string }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }
`

/** Starts a world; all of it ends with the test. */
export async function world(t: Test, options: WorldOptions = {}): Promise<World> {
  const engine = await startEngine(t, {
    ...(options.models === undefined ? {} : { models: options.models }),
    ...(options.requireKey === undefined ? {} : { requireKey: options.requireKey })
  })
  return { ...(await openGate(t, engine.origin, options)), engine }
}

/** Opens a gate before an engine; it ends with the test. */
export async function openGate(t: Test, engine: string, options: GateOptions = {}): Promise<Gate> {
  const issuer = await startIssuer(t, { ...(options.alg === undefined ? {} : { alg: options.alg }) })
  const dir = t.testdir()
  const file = `${dir}/tollgate.yaml`
  const auditFile = `${dir}/audit.log`
  const text = (options.yaml ?? minimal)({ engine, issuer: issuer.url })
  writeFileSync(file, text)
  const loaded = parseConfig(`${text}\naudit: { to: audit.log }\n`, { file, env: process.env })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults, null, 2))
  const log: string[] = []
  const built = buildDeps(text.includes('overload:') ? loaded.config : neverShedding(loaded.config), {
    log: pino({ level: 'info' }, { write: line => log.push(line) }),
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs })
  })
  const app = await buildApp({ ...built.app, limits: { ...LIMITS, ...options.limits } })
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
    await built.close()
  })
  options.prepare?.(issuer)
  built.start()
  if (options.prepare === undefined) await built.ready()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  return {
    port,
    url,
    issuer,
    built,
    log,
    ask: async (path, { method = 'POST', token, body, headers = {} } = {}) => {
      const bearer = token === undefined ? await issuer.sign() : token
      return await fetch(`${url}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers
        },
        ...(body === undefined
          ? {}
          : { body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body) })
      })
    },
    audit: async (count = 1) => {
      const line = (await linesOf(auditFile, count))[count - 1]
      return JSON.parse(line ?? '')
    },
    audits: async count => (await linesOf(auditFile, count)).map(line => JSON.parse(line))
  }
}

/** A gate that shares its process with its test is late when the test is: that is no reason to let nobody in. */
function neverShedding(config: Config): Config {
  const { accept } = config
  return { ...config, accept: { ...accept, overload: { ...accept.overload, delayMs: Number.POSITIVE_INFINITY } } }
}

/** The audit line of a request, when it is there; not an alert that names it. */
export async function lineOf(gate: Gate, id: string | null): Promise<Record<string, unknown>> {
  for (let known = 0; ; ) {
    const lines = await gate.audits(known + 1)
    const line = lines.findLast(one => one['http.request.id'] === id && one['event.kind'] !== 'alert')
    if (line !== undefined) return line
    known = lines.length
  }
}

/** The audit lines of requests, without alerts, when there are at least so many. */
export async function requestLines(
  gate: Pick<Gate, 'audits'>,
  count: number
): Promise<readonly Record<string, unknown>[]> {
  for (let known = count; ; ) {
    const lines = await gate.audits(known)
    const requests = lines.filter(line => line['event.kind'] !== 'alert')
    if (requests.length >= count) return requests
    known = lines.length + 1
  }
}

/** The lines of a file, when there are at least so many. What stands after the last line's end may be a line in the making. */
async function linesOf(file: string, count: number): Promise<readonly string[]> {
  for (;;) {
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    if (lines.length >= count) return lines
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
