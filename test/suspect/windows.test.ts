import fc from 'fast-check'
import t from 'tap'
import { digestOf, MAX_KEYS, Windows } from '../../src/suspect/windows.ts'

const WITHIN = 100
const AFTER = 3

/** What is promised, written down as simply as it can be. */
class Model {
  readonly #keys = new Map<string, { from: number; until: number; added: (number | null)[]; fired: boolean }>()

  add(key: string, now: number, value: number | null, restMs: number): number | null {
    let known = this.#keys.get(key)
    if (known === undefined || now < known.from || now >= known.until) {
      known = { from: now, until: now + WITHIN, added: [], fired: false }
      this.#keys.set(key, known)
    }
    if (known.fired) return null
    known.added.push(value)
    const sum = value === null ? known.added.length : new Set(known.added).size
    if (sum <= AFTER) return null
    this.#keys.set(key, { from: now, until: now + restMs, added: [], fired: true })
    return sum
  }
}

const over = (sum: number) => sum > AFTER
const step = fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  value: fc.integer({ min: 0, max: 6 }),
  // Mostly on, sometimes far, sometimes back.
  moveMs: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 30 }) }, fc.integer({ min: -300, max: 300 })),
  restMs: fc.constantFrom(WITHIN, 20)
})

t.test('whatever the clock does, it fires when a plain model does, and never else', async t => {
  for (const isDistinct of [false, true]) {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const [windows, model] = [new Windows(), new Model()]
        let now = 1_000
        return steps.every(({ key, value, moveMs, restMs }) => {
          now += moveMs
          const of = isDistinct ? value : null
          const added = { weight: 1, value: of, withinMs: WITHIN, restMs, isOver: over }
          return windows.add(key, now, added) === model.add(key, now, of, restMs)
        })
      }),
      { numRuns: 300 }
    )
  }
  t.pass('600 runs')
})

t.test('a key fires once, is silent for as long as it is told to, and begins anew', async t => {
  const windows = new Windows()
  const added = { weight: 1, value: null, withinMs: WITHIN, restMs: 500, isOver: over }
  t.strictSame(
    [1, 2, 3, 4, 5].map(now => windows.add('k', now, added)),
    [null, null, null, 4, null]
  )
  t.equal(windows.add('k', 503, added), null)
  t.strictSame(
    [504, 505, 506, 507].map(now => windows.add('k', now, added)),
    [null, null, null, 4]
  )
})

t.test('a hundred thousand keys take the room of ten thousand', async t => {
  const windows = new Windows()
  const added = { weight: 1, value: 1, withinMs: WITHIN, restMs: WITHIN, isOver: over }
  for (let i = 0; i < 100_000; i++) windows.add(`key-${i}`, 1, added)
  t.equal(windows.size, MAX_KEYS)
})

t.test('texts are told apart, however long they are', async t => {
  const texts = Array.from({ length: 1_000 }, (_, i) => `/path/${i}`)
  t.equal(new Set(texts.map(digestOf)).size, texts.length)
  t.not(digestOf('x'.repeat(300)), digestOf('x'.repeat(301)))
})
