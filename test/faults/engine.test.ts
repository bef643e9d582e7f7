import t from 'tap'
import type { Fault, Place } from '../helpers/fault-proxy.ts'
import { type Expected, faultScene } from '../helpers/fault-scene.ts'

/** What an engine's bytes suffer on their way to the gate, and what its caller then gets. */
interface Cell {
  readonly fault: Fault
  readonly json: Expected
  readonly stream: Expected
  /** Ends by a time limit. */
  readonly isStrict?: boolean
}

const whole: Expected = { ending: 'whole', code: null }
const refused = (code: string, status = 502): Expected => ({ ending: 'refused', status, code })
const cut = (code = 'TOLLGATE_FORWARD_BROKEN'): Expected => ({ ending: 'cut', code })
const event = (code = 'TOLLGATE_FORWARD_BROKEN'): Expected => ({ ending: 'event', code })
const both = (expected: Expected) => ({ json: expected, stream: expected })

/** Right behind the head. */
const HEAD: Place = '\r\n\r\n'
/** In the middle of the answer in one piece, of an event, and between two of them. */
const [BODY, INSIDE, BETWEEN]: readonly Place[] = ['"a wh', '"0 "', '\n\n']
const RESET = 'TOLLGATE_FORWARD_RESET'
const ANSWER = 'TOLLGATE_FORWARD_ANSWER'

const CELLS: readonly Cell[] = [
  { fault: { kind: 'latency', ms: 30 }, ...both(whole) },
  { fault: { kind: 'trickle', gapMs: 0 }, ...both(whole) },
  { fault: { kind: 'reset', after: 0 }, ...both(refused(RESET)) },
  { fault: { kind: 'reset', after: 'HTTP/1.1 20' }, ...both(refused(RESET)) },
  { fault: { kind: 'reset', after: HEAD }, json: cut(), stream: event() },
  { fault: { kind: 'reset', after: BODY ?? 0 }, json: cut(), stream: whole },
  { fault: { kind: 'reset', after: INSIDE ?? 0 }, json: whole, stream: event() },
  { fault: { kind: 'reset', after: BETWEEN ?? 0 }, json: whole, stream: event() },
  { fault: { kind: 'half-close', after: 0 }, ...both(refused(RESET)) },
  { fault: { kind: 'half-close', after: HEAD }, json: cut(), stream: event() },
  { fault: { kind: 'half-close', after: BODY ?? 0 }, json: cut(), stream: whole },
  { fault: { kind: 'half-close', after: INSIDE ?? 0 }, json: whole, stream: event() },
  { fault: { kind: 'half-close', after: BETWEEN ?? 0 }, json: whole, stream: event() },
  { fault: { kind: 'blackhole', after: 0 }, ...both(refused('TOLLGATE_FORWARD_FIRST_BYTE', 504)), isStrict: true },
  {
    fault: { kind: 'blackhole', after: HEAD },
    json: cut('TOLLGATE_FORWARD_FIRST_BYTE'),
    stream: event('TOLLGATE_FORWARD_FIRST_BYTE'),
    isStrict: true
  },
  { fault: { kind: 'blackhole', after: BODY ?? 0 }, json: cut('TOLLGATE_FORWARD_IDLE'), stream: whole, isStrict: true },
  {
    fault: { kind: 'blackhole', after: BETWEEN ?? 0 },
    json: whole,
    stream: event('TOLLGATE_FORWARD_IDLE'),
    isStrict: true
  },
  { fault: { kind: 'garbage', after: 0 }, ...both(refused(ANSWER)) },
  { fault: { kind: 'garbage', after: 'HTTP/1.1 200 OK\r\n' }, ...both(refused(ANSWER)) },
  { fault: { kind: 'garbage', after: BETWEEN ?? 0 }, json: whole, stream: event() }
]

t.test('whatever happens to the bytes of an engine, no call hangs, none looks whole that is not', async t => {
  const s = await faultScene(t)
  for (const { fault, json, stream, isStrict = false } of CELLS) {
    for (const isStream of [false, true]) {
      const name = `${JSON.stringify(fault)}, ${isStream ? 'a stream' : 'in one piece'}`
      // A text that the answer does not have never comes to pass: half of those cells are the other's.
      s.engines.set({ toClient: fault })
      await s.check(t, name, await s.call({ isStream, isStrict }), isStream ? stream : json)
      s.engines.set({})
      s.engines.cut()
    }
    await s.checkFlat(t, JSON.stringify(fault))
  }
  await s.call()
  await s.engines.fallsTo(0)
  t.equal(await s.engine.connections(), 0, 'an idle connection is given up by itself')
})

t.test('an engine that is killed: its callers are told, each in the way that is still open', async t => {
  const half = { kind: 'raw', bytes: 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"a":', after: 'hang' } as const
  for (const [script, isStream, expected] of [
    [{ kind: 'stall' }, false, refused(RESET)],
    [{ kind: 'stall' }, true, refused(RESET)],
    [half, false, cut()],
    [{ kind: 'serve', events: 3, isHeld: true }, true, event()]
  ] as const) {
    const name = `killed with ${script.kind}, ${isStream ? 'a stream' : 'in one piece'}`
    const s = await faultScene(t)
    await s.engine.script(script)
    const before = (await s.engine.requests()).length
    const begun = [1, 2, 3].map(() => Promise.withResolvers<void>())
    const calls = begun.map(({ resolve }) => s.call({ isStream, onBegun: resolve }))
    if (script.kind === 'stall') await s.engine.waitFor('request', before + 3)
    else await Promise.all(begun.map(({ promise }) => promise))
    const requests = await s.engine.requests()
    await s.engine.kill()
    for (const outcome of await Promise.all(calls)) await s.check(t, name, outcome, expected, requests)
    await s.checkFlat(t, name)
  }
})
