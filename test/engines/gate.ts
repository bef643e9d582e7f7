import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/gate-process.ts'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { type Children, until } from './children.ts'
import type { Engine } from './vllm.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const ISSUER = 'https://idp.example.com'

/** The gate as a process of its own before an engine. */
export interface Gate {
  readonly origin: string
  /** A token of a team; of team-a unless claims say otherwise. */
  sign(claims?: Record<string, unknown>): Promise<string>
  /** The code that the audit log has for a request, or null. */
  codeOf(requestId: string): Promise<string | null>
  /** The line that the audit log has for a request. */
  lineOf(requestId: string): Promise<Readonly<Record<string, unknown>>>
  /** Everything that came to the engine for `team-tapped`, byte by byte. */
  tapped(): string
  close(): void
}

/** Starts the gate with two pools before the same engine: one straight, one through a wire-tap. */
export async function startGate(children: Children, engine: Engine, dir: string): Promise<Gate> {
  const key = makeKey()
  const tap = await startTap(engine.origin)
  const [port, adminPort] = [await freePort(), await freePort()]
  const auditLog = join(dir, 'audit.log')
  const file = join(dir, 'tollgate.yaml')
  writeFileSync(join(dir, 'jwks.json'), JSON.stringify({ keys: [key.publicJwk] }))
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:${port}", drain: { timeout: 1s } }
admin: { listen: "127.0.0.1:${adminPort}" }
issuers: [{ issuer: "${ISSUER}", jwks_file: jwks.json, audience: inference }]
pools:
  straight: { engine: vllm, api_key: "\${env:ENGINE_KEY}", targets: ["${engine.origin}"] }
  tapped: { engine: vllm, api_key: "\${env:ENGINE_KEY}", targets: ["${tap.origin}"] }
requests: { extra_fields: [ignore_eos] }
teams: { team-a: { pool: straight }, team-tapped: { pool: tapped } }
audit: { to: audit.log }
`
  )
  const child = children.start(process.execPath, [CLI, 'serve', '--config', file], {
    logFile: join(dir, 'gate.log'),
    env: { ENGINE_KEY: engine.apiKey }
  })
  const origin = `http://127.0.0.1:${port}`
  const sign = (claims: Record<string, unknown> = {}) => signWith(key, { iss: ISSUER, ...claims })
  const knows = async (team: string) => {
    const headers = { authorization: `Bearer ${await sign({ team_id: team })}` }
    const answer = await fetch(`${origin}/v1/models`, { headers, signal: AbortSignal.timeout(5_000) }).catch(() => null)
    return answer?.status === 200 && (await answer.text()).includes(`"${engine.model}"`)
  }
  const isOpen = async () => (await knows('team-a')) && (await knows('team-tapped'))
  await until('the gate has learned the models', 30_000, isOpen, child)

  const lineOf = async (requestId: string): Promise<Record<string, unknown>> => {
    const find = () =>
      readFileSync(auditLog, 'utf8')
        .split('\n')
        .slice(0, -1)
        .find(line => line.includes(requestId))
    await until('the audit line is there', 5_000, () => find() !== undefined)
    return JSON.parse(find() ?? '{}')
  }

  return {
    origin,
    sign,
    lineOf,
    async codeOf(requestId) {
      const code = (await lineOf(requestId))['tollgate.code']
      return typeof code === 'string' ? code : null
    },
    tapped: tap.heard,
    close: tap.close
  }
}

/** Passes bytes on as they are, both ways, and keeps what went to the engine. */
async function startTap(origin: string) {
  const { hostname, port } = new URL(origin)
  const pieces: Buffer[] = []
  const server = createServer({ allowHalfOpen: true }, caller => {
    const engine = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    caller.on('data', piece => pieces.push(Buffer.from(piece)))
    caller.pipe(engine).pipe(caller)
    caller.on('error', () => engine.destroy()).on('close', () => engine.destroy())
    engine.on('error', () => caller.destroy()).on('close', () => caller.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: () => Buffer.concat(pieces).toString('latin1'),
    close: () => void server.close().unref()
  }
}
