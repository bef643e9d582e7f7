import t, { type Test } from 'tap'
import { cloudEvent, createHttpSink } from '../../src/export/http-sink.ts'
import { usageLine } from '../helpers/ledger-lines.ts'
import { type Answer, startReceiver } from '../helpers/receiver.ts'

const NOW = Date.parse('2026-11-25T08:00:00Z')

async function scene(t: Test, decide: () => Answer) {
  const receiver = await startReceiver(t)
  receiver.decide = decide
  const to = { kind: 'http', url: receiver.url, token: 'secret-1', ca: null } as const
  const sink = createHttpSink(to, { timeoutMs: 5_000, nowMs: () => NOW })
  t.teardown(sink.close)
  return { receiver, sink }
}

t.test('a batch is what CloudEvents says of it', async t => {
  const { receiver, sink } = await scene(t, () => 202)
  const events = [usageLine(1, 0), { ...usageLine(2, null), subject: '' }]
  await sink.send(events.map(event => ({ ...event, crc: '00000000' })))
  t.match(receiver.received[0]?.headers, {
    'content-type': 'application/cloudevents-batch+json',
    authorization: 'Bearer secret-1'
  })
  t.strictSame(receiver.received[0]?.events, events.map(cloudEvent))
  const [first, second] = receiver.received[0]?.events ?? []
  t.strictSame(Object.keys(first ?? {}), [
    'specversion',
    'type',
    'source',
    'id',
    'time',
    'subject',
    'datacontenttype',
    'data'
  ])
  t.notOk('subject' in (second ?? {}), 'an empty one is none')
})

t.test('which answers are about the records, and which are not', async t => {
  let status = 0
  const { sink } = await scene(t, () => ({ status, body: 'because of\nsecret-1' }))
  for (const [code, kind] of [
    [400, 'refused'],
    [413, 'refused'],
    [415, 'refused'],
    [422, 'refused'],
    [301, 'unavailable'],
    [401, 'unavailable'],
    [403, 'unavailable'],
    [404, 'unavailable'],
    [408, 'unavailable'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable']
  ] as const) {
    status = code
    await t.rejects(sink.send([usageLine(1, null)]), {
      kind,
      message: new RegExp(`^it answered ${code}.*: because of ••••$`)
    })
  }
})

t.test('how long it wants no more, in seconds or by a date, and never for ever', async t => {
  let value = ''
  const { sink } = await scene(t, () => ({ status: 429, headers: { 'retry-after': value } }))
  for (const [text, ms] of [
    ['7', 7_000],
    ['Wed, 25 Nov 2026 08:01:00 GMT', 60_000],
    ['Wed, 25 Nov 2026 07:00:00 GMT', 0],
    ['999999', 3_600_000],
    ['soon', 0]
  ] as const) {
    value = text
    await t.rejects(sink.send([usageLine(1, null)]), { retryAfterMs: ms, message: /429/ }, text)
  }
})

t.test('a sink that does not answer says why, without the token', async t => {
  const { sink } = await scene(t, () => 'reset')
  await t.rejects(sink.send([usageLine(1, null)]), {
    kind: 'unavailable',
    message: 'it does not answer (ECONNRESET)'
  })
})

t.test("what a sink repeats of the query of its address is not told: it may be the receiver's key", async t => {
  const receiver = await startReceiver(t)
  receiver.decide = () => ({ status: 500, body: 'no: /usage?key=s3cr3t-key and s3cr3t-key' })
  const to = { kind: 'http', url: `${receiver.url}?key=s3cr3t-key`, token: null, ca: null } as const
  const sink = createHttpSink(to, { timeoutMs: 5_000, nowMs: () => NOW })
  t.teardown(sink.close)
  await t.rejects(sink.send([usageLine(1, null)]), { message: /^it answered 500: no: \/usage•••• and ••••$/ })
})
