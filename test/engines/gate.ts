import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NEVER_SHEDS } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { freePort } from '../helpers/ports.ts'
import { until } from './children.ts'
import { ENGINE_KEY, type Engine, type Tools } from './engine.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const ISSUER = 'https://idp.example.com'

/** What the gate writes down of a request. */
export type AuditLine = Readonly<Record<string, unknown>>

/** The gate as a process of its own before one engine or several. */
export interface Gate {
  readonly origin: string
  /** A token of a team; of team-a unless claims say otherwise. */
  sign(claims?: Record<string, unknown>): Promise<string>
  /** Every line of the audit log so far. */
  auditLines(): readonly AuditLine[]
  /** The line of the audit log of a request. */
  auditOf(requestId: string): Promise<AuditLine>
}

/** A pool of one engine. */
export type Pool = Pick<Engine, 'name' | 'origin' | 'model'> & {
  /** The key that the gate has of it; the right one unless given. */
  readonly apiKey?: string
  /** More of the pool, as the file has it. */
  readonly more?: string
}

/** Starts the gate and waits until every team is shown the models of its pools. */
export async function startGate(
  { children, dir, say }: Tools,
  options: {
    /** Names the folder of its files. */
    readonly name: string
    readonly pools: Readonly<Record<string, Pool>>
    /** Team → its pools. */
    readonly teams: Readonly<Record<string, readonly string[]>>
    /** More of the file. */
    readonly more?: string
  }
): Promise<Gate> {
  const { pools, teams } = options
  const folder = join(dir, options.name)
  const auditLog = join(folder, 'audit.log')
  const file = join(folder, 'tollgate.yaml')
  const key = makeKey()
  const [port, adminPort] = [await freePort(), await freePort()]
  const poolLines = Object.entries(pools).map(
    ([name, { name: engine, origin, apiKey = ENGINE_KEY, more = '' }]) =>
      `  ${name}: { engine: ${engine}, api_key: "${apiKey}", targets: ["${origin}"]${more} }`
  )
  const teamLines = Object.entries(teams).map(([team, names]) => `  ${team}: { pools: [${names.join(', ')}] }`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'jwks.json'), JSON.stringify({ keys: [key.publicJwk] }))
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:${port}", drain: { accept: 0s, timeout: 1s }, ${NEVER_SHEDS} }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
audit: { to: audit.log }
pools:
${poolLines.join('\n')}
teams:
${teamLines.join('\n')}
${options.more ?? ''}
`
  )
  const child = children.start(process.execPath, [CLI, 'serve', '--config', file], {
    logFile: join(folder, 'gate.log')
  })
  const origin = `http://127.0.0.1:${port}`
  const sign = (claims: Record<string, unknown> = {}) => signWith(key, { iss: ISSUER, ...claims })
  const isShown = async ([team, names]: [string, readonly string[]]) => {
    const headers = { authorization: `Bearer ${await sign({ team_id: team })}` }
    const answer = await fetch(`${origin}/v1/models`, { headers, signal: AbortSignal.timeout(5_000) }).catch(() => null)
    const shown = answer?.status === 200 ? await answer.text() : ''
    return names.every(name => shown.includes(`"${pools[name]?.model}"`))
  }
  const isOpen = async () => (await Promise.all(Object.entries(teams).map(isShown))).every(Boolean)
  await until('the gate has learned the models', 30_000, isOpen, child)
  say(`the gate is open on ${origin}`)

  const auditLines = (): AuditLine[] =>
    (existsSync(auditLog) ? readFileSync(auditLog, 'utf8') : '')
      .split('\n')
      // What stands after the last line's end may be a line in the making.
      .slice(0, -1)
      .map(line => JSON.parse(line))

  return {
    origin,
    sign,
    auditLines,
    async auditOf(requestId) {
      const find = () => auditLines().find(line => line['http.request.id'] === requestId)
      await until(`the audit line of ${requestId} is there`, 5_000, () => find() !== undefined)
      return find() ?? {}
    }
  }
}
