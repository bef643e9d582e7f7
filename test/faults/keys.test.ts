import t, { type Test } from 'tap'
import { createClock } from '../helpers/clock.ts'
import { startEngine } from '../helpers/engine.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../helpers/fault-proxy.ts'
import { inTime } from '../helpers/fault-scene.ts'
import { type Gate, openGate } from '../helpers/world.ts'

/** What the bytes of a key set suffer on their way to the gate; `down`: it is gone, and whoever connects is refused. */
const FAULTS: readonly (Fault | 'down')[] = [
  { kind: 'reset', after: 0 },
  { kind: 'reset', after: '"keys"' },
  { kind: 'half-close', after: '"keys"' },
  { kind: 'blackhole', after: '"keys"' },
  { kind: 'garbage', after: 0 },
  { kind: 'garbage', after: '"keys"' },
  'down'
]
const SLOW: readonly Fault[] = [
  { kind: 'latency', ms: 200 },
  { kind: 'trickle', gapMs: 0 }
]
const CHAT = { body: { model: 'm', messages: [] } }

interface Keys {
  readonly gate: Gate
  readonly proxy: FaultProxy
  set(fault: Fault | 'down' | null): Promise<void>
  ask(token: string): Promise<{ status: number; code: unknown; retryAfter: string | null }>
}

/** A gate whose key set is behind a proxy; with a fault from the start, it is not waited for. */
async function open(t: Test, engine: string, first: Fault | 'down' | null, nowMs?: () => number): Promise<Keys> {
  let port = 0
  const proxy = await startFaultProxy(t, () => port)
  const set: Keys['set'] = async fault => {
    if (fault === 'down') await proxy.down()
    else if (proxy.isDown) await proxy.up()
    proxy.set({ toClient: fault === 'down' ? null : fault })
    // So that what is to come meets the fault.
    proxy.cut()
  }
  await set(first)
  const gate = await openGate(t, engine, {
    yaml: ({ issuer }) => {
      port = Number(new URL(issuer).port)
      return `
issuers:
  - { issuer: "${issuer}", jwks_url: "${proxy.origin}/jwks.json", audience: inference, refresh: { every: 1s, max_stale: 1h } }
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], health: { every: 1h } } }
teams: { team-a: { pool: p } }`
    },
    ...(first === null ? {} : { prepare: () => {} }),
    ...(nowMs === undefined ? {} : { nowMs })
  })
  return {
    gate,
    proxy,
    set,
    ask: async token => {
      const answer = await inTime(gate.ask('/v1/chat/completions', { ...CHAT, token }))
      const { error } = await answer.json()
      return { status: answer.status, code: error?.code, retryAfter: answer.headers.get('retry-after') }
    }
  }
}

const nameOf = (fault: Fault | 'down') => JSON.stringify(fault)
/** Asks until it is let in; whatever it is told before is `refused`. */
async function untilServed(t: Test, { ask }: Keys, token: () => Promise<string>, refused: object): Promise<void> {
  for (;;) {
    const answer = await ask(await token())
    if (answer.status === 200) return
    t.match(answer, refused)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
const NO_KEYS = { status: 503, code: 'keys_unavailable', retryAfter: '5' }

t.test('without keys nobody is let in and nobody is called wrong, and all is well when they come', async t => {
  const engine = await startEngine(t)
  await Promise.all(
    [...FAULTS, ...SLOW].map(async fault => {
      const keys = await open(t, engine.origin, fault)
      const token = await keys.gate.issuer.sign()
      const isSlow = SLOW.some(slow => slow === fault)
      if (!isSlow) {
        t.match(await keys.ask(token), NO_KEYS, nameOf(fault))
        await keys.set(null)
      }
      await untilServed(t, keys, async () => token, NO_KEYS)
      t.match(
        await keys.gate.audit(),
        isSlow ? {} : { 'tollgate.code': 'TOLLGATE_AUTHENTICATE_KEYS', 'tollgate.target': null }
      )
    })
  )
})

t.test(
  'while the keys cannot be fetched, those that are known serve, and a new one waits for its set, in time',
  async t => {
    const engine = await startEngine(t)
    await Promise.all(
      FAULTS.map(async fault => {
        const keys = await open(t, engine.origin, null)
        const { issuer } = keys.gate
        const known = await issuer.sign()
        t.equal((await keys.ask(known)).status, 200, nameOf(fault))
        const fresh = await issuer.sign({ sub: 'u-2' })
        await keys.set(fault)
        issuer.rotate({ keepOld: true })
        const unknown = await issuer.sign()
        const [answer, ...others] = await Promise.all([unknown, known, fresh].map(keys.ask))
        t.ok(
          (answer?.status === 401 && answer.code === 'invalid_api_key') || answer?.status === 503,
          `${nameOf(fault)}: ${answer?.status}`
        )
        t.strictSame(
          others.map(({ status }) => status),
          [200, 200],
          `${nameOf(fault)}: known keys serve, for tokens that are remembered and for others`
        )
        await keys.set(null)
        await untilServed(t, keys, () => issuer.sign(), { status: /401|503/ })
      })
    )
  }
)

t.test('a key set that is gone for longer than its keys may serve: 503, never 401 and never through', async t => {
  const engine = await startEngine(t)
  const clock = createClock(Date.now())
  const keys = await open(t, engine.origin, null, clock.nowMs)
  const sign = () => {
    const iat = Math.floor(clock.nowMs() / 1000)
    return keys.gate.issuer.sign({ iat, exp: iat + 600 })
  }
  t.equal((await keys.ask(await sign())).status, 200)
  await keys.set('down')
  clock.advance(3_000_000)
  t.equal((await keys.ask(await sign())).status, 200, 'for as long as they may')
  clock.advance(3_600_000)
  t.match(await keys.ask(await sign()), NO_KEYS)
  await keys.set(null)
  await untilServed(t, keys, sign, NO_KEYS)
})
