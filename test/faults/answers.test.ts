import t from 'tap'
import type { Script } from '../helpers/engine.ts'
import { type Expected, faultScene } from '../helpers/fault-scene.ts'
import { rested } from '../helpers/rested.ts'

/** What an engine writes in place of an answer, and what its caller gets. */
interface Lie {
  readonly name: string
  readonly bytes: string
  readonly after: 'close' | 'reset' | 'hang'
  readonly later?: string
  readonly gapMs?: number
  readonly isStream?: boolean
  readonly isStrict?: boolean
  readonly expected: Expected
}

/** How long connections rest at least (src/forward/connections.ts). */
const RESTS_MS = 10
const OK = 'HTTP/1.1 200 OK\r\n'
const JSON_TYPE = 'content-type: application/json\r\n'
const EVENTS = `${OK}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n`
const WHOLE = JSON.stringify({ choices: [{ message: { content: 'a whole answer' } }] })
const sized = (body: string, length = body.length) => `${JSON_TYPE}content-length: ${length}\r\n\r\n${body}`
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`
const EVENT = 'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
const OTHER = `${OK}${sized('{"choices":[{"message":{"content":"of another"}}]}')}`

const whole: Expected = { ending: 'whole', code: null }
const refused = (code: string, status = 502): Expected => ({ ending: 'refused', status, code })
const ANSWER = refused('TOLLGATE_FORWARD_ANSWER')
const cut = (code = 'TOLLGATE_FORWARD_BROKEN'): Expected => ({ ending: 'cut', code })
const event = (code = 'TOLLGATE_FORWARD_BROKEN'): Expected => ({ ending: 'event', code })

const LIES: readonly Lie[] = [
  { name: 'a length that is too long', bytes: `${OK}${sized(WHOLE, 999)}`, after: 'close', expected: cut() },
  {
    name: 'a length that is too long, and silence',
    bytes: `${OK}${sized(WHOLE, 999)}`,
    after: 'hang',
    isStrict: true,
    expected: cut('TOLLGATE_FORWARD_IDLE')
  },
  {
    name: 'more than its length',
    bytes: `${OK}${sized(`${WHOLE}${OTHER}`, WHOLE.length)}`,
    after: 'hang',
    expected: whole
  },
  { name: 'two answers at once', bytes: `${OK}${sized(WHOLE)}${OTHER}`, after: 'hang', expected: whole },
  // While the connection rests.
  {
    name: 'a second answer later',
    bytes: `${OK}${sized(WHOLE)}`,
    later: OTHER,
    gapMs: 2,
    after: 'hang',
    expected: whole
  },
  {
    name: 'hints before the answer',
    bytes: `HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${OK}${sized(WHOLE)}`,
    after: 'close',
    expected: whole
  },
  {
    name: 'to go on, which nobody asked',
    bytes: `HTTP/1.1 100 Continue\r\n\r\n${OK}${sized(WHOLE)}`,
    after: 'hang',
    expected: refused('TOLLGATE_FORWARD_RESET')
  },
  {
    name: 'another protocol, which nobody asked for',
    bytes: 'HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n',
    after: 'hang',
    expected: refused('TOLLGATE_FORWARD_RESET')
  },
  {
    name: 'a head of 40 KiB',
    bytes: `${OK}x-y: ${'z'.repeat(40_960)}\r\n${sized(WHOLE)}`,
    after: 'hang',
    expected: ANSWER
  },
  {
    name: 'two lengths',
    bytes: `${OK}content-length: 5\r\n${sized(WHOLE)}`,
    after: 'hang',
    expected: ANSWER
  },
  {
    name: 'a length and chunks',
    bytes: `${OK}transfer-encoding: chunked\r\n${sized(chunk(WHOLE))}`,
    after: 'hang',
    expected: ANSWER
  },
  { name: 'a greeting of another protocol', bytes: '220 mail.example.com ready\r\n', after: 'hang', expected: ANSWER },
  // Not in the moment of use: that is how idle connections end, and then it is sent once more.
  { name: 'nothing', bytes: '', after: 'close', gapMs: 400, expected: refused('TOLLGATE_FORWARD_RESET') },
  {
    name: 'half a head',
    bytes: 'HTTP/1.1 200 OK\r\ncontent-ty',
    after: 'reset',
    expected: refused('TOLLGATE_FORWARD_RESET')
  },
  {
    name: 'a chunk that is none',
    bytes: `${OK}${JSON_TYPE}transfer-encoding: chunked\r\n\r\n${chunk(WHOLE.slice(0, 9))}zz\r\n`,
    after: 'hang',
    expected: cut()
  },
  {
    name: 'an end between two chunks',
    bytes: `${OK}${JSON_TYPE}transfer-encoding: chunked\r\n\r\n${chunk(WHOLE.slice(0, 9))}`,
    after: 'close',
    expected: cut()
  },
  {
    name: 'a head, and silence',
    bytes: `${OK}${JSON_TYPE}content-length: 9\r\n\r\n`,
    after: 'hang',
    isStrict: true,
    expected: cut('TOLLGATE_FORWARD_FIRST_BYTE')
  },
  {
    name: 'no length at all, so that its end tells nothing',
    bytes: `${OK}${JSON_TYPE}\r\n${WHOLE.slice(0, 20)}`,
    after: 'close',
    expected: ANSWER
  },
  {
    name: 'a stream without chunks, so that its end tells nothing',
    bytes: `${OK}content-type: text/event-stream\r\n\r\n${EVENT}`,
    after: 'close',
    isStream: true,
    expected: ANSWER
  },
  {
    name: 'a stream whose chunk is none',
    bytes: `${EVENTS}${chunk(EVENT)}zz\r\n`,
    after: 'hang',
    isStream: true,
    expected: event()
  },
  {
    name: 'a stream that ends between two chunks',
    bytes: `${EVENTS}${chunk(EVENT)}`,
    after: 'close',
    isStream: true,
    expected: event()
  },
  {
    name: 'a stream with a head, and silence',
    bytes: EVENTS,
    after: 'hang',
    isStream: true,
    isStrict: true,
    expected: event('TOLLGATE_FORWARD_FIRST_BYTE')
  },
  {
    name: 'a stream, and silence',
    bytes: `${EVENTS}${chunk(EVENT)}`,
    after: 'hang',
    isStream: true,
    isStrict: true,
    expected: event('TOLLGATE_FORWARD_IDLE')
  }
]

const SERVES: Script = { kind: 'serve', events: 3 }

t.test(
  'whatever an engine says in place of an answer: an honest end, on a new and a used connection, and the next call gets its own',
  async t => {
    const s = await faultScene(t)
    for (const { name, bytes, after, later, gapMs, isStream = false, isStrict = false, expected } of LIES) {
      for (const isUsed of [false, true]) {
        const called = `${name}, ${isUsed ? 'used' : 'new'}`
        if (isUsed) {
          t.equal((await s.call({ isStrict })).status, 200)
          await rested(s.gate.built.app.transport)
        }
        t.equal(s.engines.connections, isUsed ? 1 : 0, called)
        await s.engine.script({
          kind: 'raw',
          bytes,
          after,
          ...(later === undefined ? {} : { later }),
          ...(gapMs === undefined ? {} : { gapMs })
        })
        const before = (await s.engine.requests()).length
        await s.check(t, called, await s.call({ isStream, isStrict }), expected)
        t.equal((await s.engine.requests()).length, before + 1, called)
        // What comes when the connection has rested has come before the next call needs one.
        if (after === 'close' || later !== undefined) await s.engines.fallsTo(0)
        await s.engine.script(SERVES)
        const next = await s.call({ isStrict })
        t.match([next.status, JSON.parse(next.text).usage?.total_tokens], [200, 6], `${called}: the next call`)
        s.engines.cut()
        await s.engines.fallsTo(0)
      }
    }
    await s.checkFlat(t, 'in the end')
  }
)

t.test('a second answer never reaches the next caller, who is waiting for its own when it comes', async t => {
  const s = await faultScene(t)
  const own = JSON.stringify({ choices: [{ message: { content: 'its own' } }] })
  let written = 0
  for (const gapMs of [0, 1, 2, 3, 4, 5]) {
    for (let rounds = 0; rounds < 8; ) {
      await s.engine.script({ kind: 'raw', bytes: `${OK}${sized(WHOLE)}`, later: OTHER, gapMs, after: 'hang' })
      t.equal((await s.call()).text, WHOLE)
      await s.engine.script({ kind: 'json', body: JSON.parse(own), delayMs: 20 })
      const { status, text } = await s.call()
      const { gapMs: tookMs = 0 } = await s.engine.waitFor('later', ++written)
      // Where the engine itself came later than connections rest, nothing tells its second answer from the next one.
      if (tookMs < RESTS_MS) {
        rounds++
        t.strictSame([status, text], [200, own], `after ${gapMs} ms, round ${rounds}`)
      }
      s.engines.cut()
      await s.engines.fallsTo(0)
    }
  }
  await s.checkFlat(t, 'in the end')
})
