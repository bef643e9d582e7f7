import fc from 'fast-check'
import t from 'tap'
import { type Entry, SpaceSaving, sureOf } from '../../src/metrics/space-saving.ts'

/** Keys that come and with how much; a few of them more often than the others. */
const STREAM = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 60 }) }
    ),
    fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 5_000 }))
  ),
  { maxLength: 400 }
)

function summaryOf(max: number, stream: readonly (readonly [number, number])[]) {
  const summary = new SpaceSaving<string>(max)
  const truth = new Map<string, number>()
  let sum = 0
  for (const [id, weight] of stream) {
    const key = `k-${id}`
    truth.set(key, (truth.get(key) ?? 0) + weight)
    sum += weight
    summary.add(key, weight, () => key)
  }
  return { summary, truth, sum, entries: [...summary.entries()] }
}

t.test('no count is too small, none is too large by more than the sum of all by the places', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), STREAM, (max, stream) => {
      const { truth, sum, entries } = summaryOf(max, stream)
      for (const entry of entries) {
        const real = truth.get(entry.key) ?? 0
        if (entry.count < real || sureOf(entry) > real) throw new Error(`${real} is not in ${JSON.stringify(entry)}`)
        if (entry.error > sum / max) throw new Error(`${entry.error} of ${sum} in ${max}`)
      }
    })
  )
})

t.test('every key with more than the sum of all by the places is there, and what is there adds up', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), STREAM, (max, stream) => {
      const { summary, truth, sum, entries } = summaryOf(max, stream)
      for (const [key, real] of truth) {
        if (real > sum / max && summary.find(key) === undefined) throw new Error(`${key} with ${real} of ${sum}`)
      }
      if (entries.length > max) throw new Error(`${entries.length} of ${max}`)
      if (entries.reduce((total, { count }) => total + count, 0) !== sum) throw new Error('weights were lost')
      if (new Set(entries.map(({ key }) => key)).size !== entries.length) throw new Error('a key stands twice')
      for (const entry of entries) {
        if (summary.find(entry.key) !== entry || entry.item !== entry.key) throw new Error('not what was found')
      }
    })
  )
})

t.test('while there is room for all, it is a plain count', async () => {
  fc.assert(
    fc.property(STREAM, stream => {
      const { truth, entries } = summaryOf(61, stream)
      if (entries.length !== truth.size) throw new Error(`${entries.length} of ${truth.size}`)
      for (const { key, count, error } of entries) if (count !== truth.get(key) || error !== 0) throw new Error(key)
    })
  )
})

t.test('the top are those with the most for certain, the first most', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 60 }), STREAM, (max, most, stream) => {
      const { summary, entries } = summaryOf(max, stream)
      const sizes = (list: readonly Entry<string>[]) => list.map(sureOf)
      const wanted = sizes(entries)
        .sort((a, b) => b - a)
        .slice(0, most)
      const top = summary.top(most)
      if (String(sizes(top)) !== String(wanted)) throw new Error(`${sizes(top)} and not ${wanted}`)
      if (new Set(top).size !== top.length) throw new Error('one stands twice')
    })
  )
})

t.test('a million keys that come once each do not hide one that comes a thousand times', async t => {
  const summary = new SpaceSaving<null>(10_000)
  for (let i = 0; i < 1_000_000; i++) {
    summary.add(`once-${i}`, 1, () => null)
    if (i % 1_000 === 0) summary.add('often', 1, () => null)
  }
  t.equal([...summary.entries()].length, 10_000)
  t.equal(summary.top(1)[0]?.key, 'often')
  const sure = sureOf(summary.top(1)[0] as Entry<null>)
  t.ok(sure <= 1_000 && sure >= 1_000 - 101, String(sure))
})
