import type { Test } from 'tap'
import { type Gate, lineOf, openGate } from '../world.ts'
import type { FlavourName } from './flavour.ts'
import { type FlavourDouble, type Heard, startFlavour } from './start.ts'

/** A gate before a double that asks for the pool's key. */
export interface Scene {
  readonly engine: FlavourDouble
  readonly gate: Gate
  /** A token of team-a that may infer everything, and opens every route of the configuration. */
  readonly token: string
  /** Asks the gate; a string body goes as it is, null is none. */
  ask(path: string, body: unknown, init?: AskInit): Promise<Asked>
  sign(team: string, ...scopes: string[]): Promise<string>
  /** Resolves with the nth audit line of an outcome. */
  outcome(outcome: string, count?: number): Promise<Record<string, unknown>>
  /** The last request that the engine heard, and the bytes that it answered with. */
  last(): Promise<{ readonly heard: Heard; readonly sent: string }>
}

/** What a question may differ in. */
export interface AskInit {
  readonly method?: string
  readonly token?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

/** An answer that has been read to its end. */
export interface Asked {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: every look into it is an assertion of its own
  readonly json: any
  /** The code of its audit line, or null. */
  readonly code: unknown
  /** Its audit line. */
  readonly line: Record<string, unknown>
}

const KEY = 'FLAVOUR_POOL_KEY'
const WRONG_KEY = 'FLAVOUR_WRONG_KEY'

/** What a scene may differ in. */
export interface SceneOptions {
  /** Names of models that the engine serves; `m` alone unless given. */
  readonly models?: readonly string[]
  /** More of the YAML file, at its outermost level. */
  readonly yaml?: string
  /** More of the pool `p`. */
  readonly pool?: string
  /** Of the token. */
  readonly scopes?: readonly string[]
}

/**
 * Starts an engine and a gate before it; both end with the test. Team-a has the pool `p` with the models by name,
 * team-learning one that learns them, and the gate has a wrong key for that of team-wrong.
 */
export async function scene(t: Test, name: FlavourName, options: SceneOptions = {}): Promise<Scene> {
  const { models = ['m'], yaml = '', pool = '' } = options
  process.env[KEY] = 'key-of-the-engine'
  process.env[WRONG_KEY] = 'key-of-another'
  const engine = await startFlavour(t, name, { models, key: 'key-of-the-engine' })
  const gate = await openGate(t, engine.origin, {
    yaml: ({ engine: origin, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools:
  p: { engine: ${name}, targets: ["${origin}"], models: ${JSON.stringify(models)}, api_key: "\${env:${KEY}}"${pool} }
  learning: { engine: ${name}, targets: ["${origin}"], api_key: "\${env:${KEY}}" }
  wrong: { engine: ${name}, targets: ["${origin}"], models: [m], api_key: "\${env:${WRONG_KEY}}" }
teams: { team-a: { pool: p }, team-learning: { pool: learning }, team-wrong: { pool: wrong } }
${yaml}`
  })
  const { scopes = ['infer:text', 'infer:multimodal', 'model:*:inference', 'task:generate'] } = options
  const token = await gate.issuer.sign({ scopes })
  return {
    engine,
    gate,
    token,
    async ask(path, body, init = {}) {
      const { method = body === null ? 'GET' : 'POST', headers = {}, signal } = init
      const answer = await fetch(`${gate.url}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          authorization: `Bearer ${init.token ?? token}`,
          ...(body === null || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
          ...headers
        },
        ...(body === null
          ? {}
          : { body: typeof body === 'string' || body instanceof FormData ? body : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal })
      })
      const text = await answer.text()
      const line = await lineOf(gate, answer.headers.get('x-request-id'))
      const json = () => (text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : null)
      return { status: answer.status, headers: answer.headers, text, json: json(), code: line['tollgate.code'], line }
    },
    sign: (team, ...scopes) => gate.issuer.sign({ team_id: team, scopes }),
    async outcome(outcome, nth = 1) {
      let left = nth
      for (let count = 1; ; count++) {
        const line = await gate.audit(count)
        if (line['tollgate.outcome'] === outcome && --left === 0) return line
      }
    },
    async last() {
      const [heard, sent] = [await engine.heard(), await engine.sent()]
      const found = heard.at(-1)
      if (found === undefined) throw new Error('the engine heard nothing')
      return { heard: found, sent: sent.at(-1) ?? '' }
    }
  }
}
