import type { Test } from 'tap'
import { type EngineDouble, type EngineOptions, startEngine } from './engine.ts'
import { type Gate, type GateOptions, lineOf, openGate } from './world.ts'

/** A call that a fleet has answered. */
export interface FleetAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The number of the engine that it went to, or -1. */
  readonly engine: number
  /** Its audit line. */
  readonly line: Record<string, unknown>
}

/** A stream whose first event has come. */
export interface FleetStream {
  /** Resolves with everything that came, from the first event on; and whether it ended as HTTP says that it is whole. */
  readonly ended: Promise<{ readonly text: string; readonly isWhole: boolean }>
  readonly id: string
  leave(): void
}

/** Several engines and a gate before them, whose one pool is `p`. */
export interface Fleet {
  readonly engines: EngineDouble[]
  readonly gate: Gate
  readonly token: string
  /** A chat in one piece, and its audit line. */
  call(init?: { headers?: Record<string, string>; content?: string }): Promise<FleetAnswer>
  /** The same without waiting for its line, and with a way to leave. */
  send(init?: {
    headers?: Record<string, string>
    content?: string
    signal?: AbortSignal
    stream?: boolean
  }): Promise<Response>
  stream(): Promise<FleetStream>
  /** The number of an engine by its origin, or -1. */
  numberOf(origin: unknown): number
  /** Starts an engine again that was killed, on its port. */
  restart(number: number): Promise<void>
  /** Resolves when the operator's log has a line with all of these texts. */
  says(...texts: readonly string[]): Promise<void>
}

/** What a fleet may differ in. */
export interface FleetOptions extends Pick<GateOptions, 'nowMs' | 'limits'> {
  readonly count?: number
  /** More of the pool, as YAML inside of braces. */
  readonly pool?: string
  /** More of one target, as YAML inside of braces. */
  readonly target?: (number: number) => string
  readonly engine?: (number: number) => EngineOptions
  /** Where the gate reaches an engine, when not at its own port. */
  readonly reach?: (engine: EngineDouble) => Promise<string>
}

/** Starts a fleet; all of it ends with the test. */
export async function fleet(t: Test, options: FleetOptions = {}): Promise<Fleet> {
  const { count = 3, pool = '', target = () => '', reach } = options
  const engineOf = (number: number): EngineOptions => ({
    script: { kind: 'serve', events: 3 },
    ...options.engine?.(number)
  })
  const engines = await Promise.all(Array.from({ length: count }, (_, number) => startEngine(t, engineOf(number))))
  const origins = await Promise.all(engines.map(async engine => (await reach?.(engine)) ?? engine.origin))
  const targets = origins.map((origin, number) => `{ url: "${origin}"${target(number)} }`)
  const gate = await openGate(t, origins[0] ?? '', {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: [${targets.join(', ')}], models: [m]${pool} } }
teams: { team-a: { pool: p } }`,
    ...(options.nowMs === undefined ? {} : { nowMs: options.nowMs }),
    ...(options.limits === undefined ? {} : { limits: options.limits })
  })
  const token = await gate.issuer.sign()
  const numberOf = (origin: unknown) => origins.indexOf(String(origin))
  const send: Fleet['send'] = ({ headers = {}, content = 'x', signal, stream = false } = {}) =>
    fetch(`${gate.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'm', stream, messages: [{ role: 'user', content }] }),
      ...(signal === undefined ? {} : { signal })
    })
  return {
    engines,
    gate,
    token,
    send,
    numberOf,
    call: async init => {
      const answer = await send(init)
      const text = await answer.text()
      const line = await lineOf(gate, answer.headers.get('x-request-id'))
      return {
        status: answer.status,
        headers: answer.headers,
        text,
        line,
        engine: numberOf(line['tollgate.target'])
      }
    },
    stream: async () => {
      const leaving = new AbortController()
      const answer = await send({ stream: true, signal: leaving.signal })
      const reader = answer.body?.getReader()
      if (answer.status !== 200 || reader === undefined) throw new Error(`no stream: ${answer.status}`)
      const decoder = new TextDecoder()
      let text = decoder.decode((await reader.read()).value)
      const drain = async () => {
        try {
          for (;;) {
            const { done, value } = await reader.read()
            if (done) return { text, isWhole: true }
            text += decoder.decode(value)
          }
        } catch {
          return { text, isWhole: false }
        }
      }
      return { ended: drain(), id: answer.headers.get('x-request-id') ?? '', leave: () => leaving.abort() }
    },
    restart: async number => {
      const { port } = engines[number] as EngineDouble
      engines[number] = await startEngine(t, { ...engineOf(number), port })
    },
    says: async (...texts) => {
      while (!gate.log.some(line => texts.every(text => line.includes(text)))) {
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    }
  }
}
