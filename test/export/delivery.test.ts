import t from 'tap'
import { Delivery, GaveUp } from '../../src/export/delivery.ts'
import { SinkError } from '../../src/export/sink.ts'
import type { UsageEvent } from '../../src/segments/format.ts'
import { usageLine } from '../helpers/ledger-lines.ts'

const events = (count: number) => Array.from({ length: count }, (_, seq) => usageLine(seq, null))
const numberOf = ({ id }: UsageEvent) => Number(id.slice(27))

/** A delivery that waits for no time. @param send throws what becomes of a batch */
function scene(send: (batch: readonly number[], count: number) => void, patienceMs = Number.POSITIVE_INFINITY) {
  const taken: number[] = []
  const told: string[] = []
  const [stop, drain] = [new AbortController(), new AbortController()]
  let count = 0
  let now = 0
  const delivery = new Delivery({
    sink: {
      async send(batch) {
        const numbers = batch.map(numberOf)
        send(numbers, ++count)
        taken.push(...numbers)
      },
      async close() {}
    },
    nowMs: () => (now += 1),
    // Of the smallest waits, none at all.
    random: () => -1,
    stop: stop.signal,
    drain: drain.signal,
    patienceMs,
    onFailure: message => told.push(message),
    onSuccess: () => told.push('ok')
  })
  return { delivery, taken, told, stop, drain, calls: () => count }
}

const failure = ({ delivery }: ReturnType<typeof scene>) => delivery.deliver(events(1)).catch(err => err)
const refused = () => new SinkError('refused', '422')
const away = (retryAfterMs = 0) => new SinkError('unavailable', 'away', { retryAfterMs })

t.test('a batch that is taken is taken in one piece', async t => {
  const s = scene(() => {})
  t.strictSame(await s.delivery.deliver(events(500)), [])
  t.equal(s.calls(), 1)
})

t.test('those that are refused are found, and all others are taken', async t => {
  for (const bad of [[0], [299], [7, 8, 150], [...Array(15).keys()]]) {
    const s = scene(batch => {
      if (batch.some(number => bad.includes(number))) throw refused()
    })
    const letters = await s.delivery.deliver(events(300))
    t.strictSame(
      letters.map(({ event }) => numberOf(event)),
      bad
    )
    t.equal(letters[0]?.reason, '422')
    t.strictSame(
      [...new Set(s.taken)].sort((a, b) => a - b),
      [...Array(300).keys()].filter(number => !bad.includes(number))
    )
  }
})

t.test('a sink that refuses whatever it gets costs no record: it is tried again', async t => {
  let isMended = false
  const s = scene((_, count) => {
    isMended ||= count > 60
    if (!isMended) throw refused()
  })
  t.strictSame(await s.delivery.deliver(events(300)), [])
  t.equal(new Set(s.taken).size, 300)
  t.match(s.told[0], /^it refuses every record: 422/)
})

t.test('a few records that are refused, all of them, are given up', async t => {
  const s = scene(() => {
    throw refused()
  })
  t.equal((await s.delivery.deliver(events(3))).length, 3)
})

t.test('a sink that is away is tried again, with less at once after a while', async t => {
  const sizes: number[] = []
  const s = scene(batch => {
    sizes.push(batch.length)
    if (batch.length > 100) throw away()
  })
  t.strictSame(await s.delivery.deliver(events(300)), [])
  t.strictSame(sizes, [300, 300, 300, 150, 150, 150, 75, 75, 150, 150, 150, 75, 75])
  t.equal(s.taken.length, 300)
})

t.test('it gives up when it is told to stop, when it drains and fails, and when its patience ends', async t => {
  const stopped = scene(() => {
    stopped.stop.abort()
    throw away(3_600_000)
  })
  t.ok((await failure(stopped)) instanceof GaveUp)
  const waiting = scene(() => {
    setImmediate(() => waiting.drain.abort())
    throw away(3_600_000)
  })
  t.ok((await failure(waiting)) instanceof GaveUp)
  t.equal(waiting.calls(), 1)
  const draining = scene(() => {
    throw away()
  })
  draining.drain.abort()
  t.ok((await failure(draining)) instanceof GaveUp)
  const impatient = scene(() => {
    throw away()
  }, 5)
  await t.rejects(impatient.delivery.deliver(events(1)), { message: 'away' })
  t.ok(impatient.calls() > 2)
})

t.test('a mistake of ours is none of the sink', async t => {
  const s = scene(() => {
    throw new TypeError('mistake')
  })
  await t.rejects(s.delivery.deliver(events(1)), TypeError)
})
