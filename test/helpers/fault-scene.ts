import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ConnectionLimits } from '../../src/accept/server-options.ts'
import { type EngineDouble, type Received, startEngine } from './engine.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { type Gate, lineOf, openGate } from './world.ts'

/** What came of a call, as its caller saw it. */
export interface Outcome {
  /** Null when there was no answer. */
  readonly status: number | null
  readonly retryAfter: string | null
  readonly text: string
  /** Whether HTTP says that the answer is whole. */
  readonly isWhole: boolean
  readonly id: string | null
}

/** How a call may end honestly. */
export type Ending =
  /** With the whole answer. */
  | 'whole'
  /** With a status that says no, and a body that says why. */
  | 'refused'
  /** With an event that says why, as a stream that had begun. */
  | 'event'
  /** With a connection that broke, as an answer in one piece that had begun, or a stream in the middle of an event. */
  | 'cut'

/** What a call must come to. */
export interface Expected {
  readonly ending: Ending
  /** For `refused`. */
  readonly status?: number
  /** Of the audit line; null: none. */
  readonly code: string | null
  /** True when it did not get as far as to an engine. */
  readonly isUnrouted?: boolean
}

/** A gate with a proxy at each of its sides: before its callers, its engine and its key set. */
export interface FaultScene {
  readonly gate: Gate
  readonly engine: EngineDouble
  readonly callers: FaultProxy
  readonly engines: FaultProxy
  readonly keys: FaultProxy
  /** Makes a call; `isStrict` is with time limits of a second, for cells whose end is a time limit. */
  call(init?: {
    isStream?: boolean
    isStrict?: boolean
    token?: string
    content?: string
    /** Told when the first bytes of the answer have come. */
    onBegun?: () => void
  }): Promise<Outcome>
  /** The audit line of an outcome. */
  lineOf(outcome: Outcome): Promise<Record<string, unknown>>
  /** The first audit line of callers who left, when it is there. */
  left(): Promise<Record<string, unknown>>
  /** Checks an outcome, its audit line, and that its generation was begun once at most. */
  check(
    t: Test,
    name: string,
    outcome: Outcome,
    expected: Expected,
    /** What the engine had heard, when it cannot be asked any more. */
    heard?: readonly Received[]
  ): Promise<void>
  /** Checks that sockets and timers are as they were in the beginning, when every idle connection has been given up. */
  checkFlat(t: Test, name: string): Promise<void>
  sign(isStrict?: boolean): Promise<string>
}

/** No call may take longer, whatever the machine does: its longest timer is a fraction of it. */
const HANG_MS = 20_000
const DONE = /\n\ndata: \[DONE\]\n\n$/
const ERROR_EVENT = /(?:^|\n\n)data: (\{"error":\{"message":"[^\n]+\}\})\n\n$/

/** Opens a scene; all of it ends with the test. */
export async function faultScene(t: Test, options: { limits?: Partial<ConnectionLimits> } = {}): Promise<FaultScene> {
  const engine = await startEngine(t, { script: { kind: 'serve', events: 3 } })
  const engines = await startFaultProxy(t, engine.port)
  let keysPort = 0
  const keys = await startFaultProxy(t, () => keysPort)
  const gate = await openGate(t, engines.origin, {
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    yaml: ({ engine, issuer }) => {
      keysPort = Number(new URL(issuer).port)
      const pool = `engine: vllm, targets: ["${engine}"], models: [m], health: { every: 1h }`
      return `
issuers: [{ issuer: "${issuer}", jwks_url: "${keys.origin}/jwks.json", audience: inference }]
pools:
  patient: { ${pool} }
  strict: { ${pool}, timeouts: { first_byte: 1s, idle: 1s } }
teams: { team-a: { pool: patient }, team-strict: { pool: strict } }`
    }
  })
  const callers = await startFaultProxy(t, gate.port)
  const sign = (isStrict = false) => gate.issuer.sign({ team_id: isStrict ? 'team-strict' : 'team-a' })
  const quiet = async () => {
    for (const proxy of [callers, engines, keys]) {
      proxy.set({})
      proxy.cut()
      await proxy.fallsTo(0)
    }
  }
  const scene: FaultScene = {
    gate,
    engine,
    callers,
    engines,
    keys,
    sign,
    lineOf: ({ id }) => lineOf(gate, id),
    left: async () => {
      for (let count = 1; ; count++) {
        const line = await gate.audit(count)
        if (line['tollgate.outcome'] === 'client_left') return line
      }
    },
    call: async ({ isStream = false, isStrict = false, token, content = 'x', onBegun = () => {} } = {}) =>
      await inTime(
        ask(
          callers.port,
          token ?? (await sign(isStrict)),
          JSON.stringify({ model: 'm', stream: isStream, messages: [{ role: 'user', content }] }),
          onBegun
        )
      ),
    async check(t, name, outcome, expected, heard) {
      checkOutcome(t, name, outcome, expected)
      const requests = heard ?? (await engine.requests())
      const ids = requests.map(({ rawHeaders }) => rawHeaders[rawHeaders.indexOf('x-request-id') + 1])
      t.equal(new Set(ids).size, ids.length, `${name}: no generation is begun twice`)
      if (outcome.id === null) return
      const line = await lineOf(gate, outcome.id)
      t.match(
        [line['tollgate.code'], line['tollgate.target'], line['event.outcome']],
        [
          expected.code,
          expected.isUnrouted === true ? null : engines.origin,
          expected.ending === 'whole' ? 'success' : 'failure'
        ],
        `${name}: the audit line`
      )
    },
    async checkFlat(t, name) {
      await quiet()
      const ends = performance.now() + HANG_MS
      let [now, before] = [await countResources(), baseline]
      while ((now.sockets > before.sockets || now.timers > before.timers) && performance.now() < ends) {
        now = await countResources()
      }
      t.ok(now.sockets <= before.sockets, `${name}: ${now.sockets} sockets, and ${before.sockets} before`)
      t.ok(now.timers <= before.timers, `${name}: ${now.timers} timers, and ${before.timers} before`)
      t.equal(gate.built.app.transport.inFlight, 0, `${name}: nothing is in flight`)
    }
  }
  // What is made once: the code that is loaded late, the first connections.
  for (const isStream of [false, true]) await scene.call({ isStream })
  await quiet()
  const baseline = await countResources()
  return scene
}

async function countResources(): Promise<{ sockets: number; timers: number }> {
  await sleep(10)
  const all = process.getActiveResourcesInfo()
  return {
    sockets: all.filter(name => name === 'TCPSocketWrap').length,
    timers: all.filter(name => name === 'Timeout').length
  }
}

function checkOutcome(t: Test, name: string, outcome: Outcome, { ending, status, code }: Expected): void {
  const { text } = outcome
  switch (ending) {
    case 'whole': {
      t.match([outcome.status, outcome.isWhole], [200, true], name)
      t.ok(DONE.test(text) || JSON.parse(text).choices[0].message.content === 'a whole answer', `${name}: all of it`)
      return
    }
    case 'refused':
      t.match([outcome.status, outcome.isWhole], [status, true], `${name}: ${code}`)
      t.type(JSON.parse(text).error.message, 'string', name)
      return
    case 'event':
      t.match([outcome.status, outcome.isWhole], [200, true], name)
      t.match(text, ERROR_EVENT, `${name}: the stream says that it is not whole`)
      return
    case 'cut':
      t.notOk(outcome.isWhole, `${name}: it does not look whole`)
      t.ok(outcome.status === 200 || outcome.status === null, name)
  }
}

/** A call on a connection of its own. */
function ask(port: number, token: string, body: string, onBegun: () => void): Promise<Outcome> {
  return new Promise(resolve => {
    const seen = {
      status: null as number | null,
      retryAfter: null as string | null,
      id: null as string | null,
      text: ''
    }
    const sent = request(
      {
        port,
        host: '127.0.0.1',
        agent: false,
        method: 'POST',
        path: '/v1/chat/completions',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body)
        }
      },
      answer => {
        seen.status = answer.statusCode ?? null
        seen.retryAfter = answer.headers['retry-after'] ?? null
        const id = answer.headers['x-request-id']
        seen.id = typeof id === 'string' ? id : null
        answer.setEncoding('utf8')
        answer.on('data', piece => {
          seen.text += piece
          onBegun()
        })
        answer.on('error', () => {})
        answer.once('close', () => resolve({ ...seen, isWhole: answer.complete }))
      }
    )
    sent.on('error', () => {
      if (seen.status === null) resolve({ ...seen, isWhole: false })
    })
    sent.end(body)
  })
}

/** @throws when it hangs */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = new AbortController()
  const clock = sleep(HANG_MS, undefined, { signal: late.signal }).then(() => {
    throw new Error('it hangs')
  })
  clock.catch(() => {})
  try {
    return await Promise.race([work, clock])
  } finally {
    late.abort()
  }
}
