import fc from 'fast-check'
import t from 'tap'
import { Failures } from '../../src/identify/failures.ts'

const at = (nowMs: number) => ({ nowMs, withinMs: 1_000 })

t.test('B5: the same token counts once, however often it comes', async t => {
  const failures = new Failures()
  for (let i = 0; i < 1_000; i++) t.equal(failures.add('a', 1, 'stale', at(i % 900)), 1)
  t.equal(failures.add('a', 0.25, 'other', at(900)), 1.25)
  t.equal(failures.add('b', 1, 'stale', at(900)), 1, 'each address has its own')
})

t.test('B7: the address that failed longest ago is forgotten first, and counted', async t => {
  const failures = new Failures({ max: 3 })
  for (const key of ['a', 'b', 'c', 'a', 'd']) failures.add(key, 1, `${key}-${failures.size}`, at(0))
  t.equal(failures.size, 3)
  t.equal(failures.evictions, 1)
  t.equal(failures.add('a', 1, 'more', at(0)), 3, 'the one that goes on stays')
})

t.test('whatever comes when, it is what a plain count of distinct failures since the first says', async () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b'),
    what: fc.nat(30).map(String),
    weight: fc.constantFrom(0.25, 0.5, 1),
    // The clock may be set back, too.
    stepMs: fc.integer({ min: -50, max: 300 })
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const failures = new Failures()
      const model = new Map<string, { firstMs: number; seen: Map<string, number> }>()
      let nowMs = 10_000
      return steps.every(({ key, what, weight, stepMs }) => {
        nowMs += stepMs
        let plain = model.get(key)
        if (plain === undefined || nowMs < plain.firstMs || nowMs - plain.firstMs >= 1_000) {
          plain = { firstMs: nowMs, seen: new Map() }
          model.set(key, plain)
        }
        if (!plain.seen.has(what)) plain.seen.set(what, weight)
        const sum = [...plain.seen.values()].reduce((a, b) => a + b, 0)
        return failures.add(key, weight, what, at(nowMs)) === sum
      })
    })
  )
})
