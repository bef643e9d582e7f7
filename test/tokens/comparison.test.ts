import fc from 'fast-check'
import t from 'tap'
import { Comparison } from '../../src/tokens/comparison.ts'

t.test('teams are compared by their median, the seed in the place of those that are missing to three', async t => {
  const comparison = new Comparison(4)
  t.equal(comparison.median, 4)
  comparison.set('a', 100)
  t.equal(comparison.median, 4)
  comparison.set('b', 10)
  t.equal(comparison.median, 10)
  comparison.set('c', 6)
  t.equal(comparison.median, 10)
  comparison.set('c', 20)
  t.equal(comparison.median, 20)
  t.equal(comparison.count, 3)
})

t.test('whatever teams have, in whatever order, it is the median of the first fifteen', async () => {
  const values = fc.array(fc.tuple(fc.integer({ min: 0, max: 19 }), fc.integer({ min: 0, max: 9 })), { maxLength: 200 })
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 9 }), (given, seed) => {
      const comparison = new Comparison(seed)
      const expected = new Map<number, number>()
      for (const [team, value] of given) {
        comparison.set(`${team}`, value)
        if (expected.has(team) || expected.size < 15) expected.set(team, value)
        const all = [...expected.values(), seed, seed, seed].slice(0, Math.max(3, expected.size)).sort((a, b) => a - b)
        const middle = (all.length - 1) / 2
        const median = ((all[Math.floor(middle)] ?? 0) + (all[Math.ceil(middle)] ?? 0)) / 2
        if (comparison.median !== median || comparison.count !== expected.size) return false
      }
      return true
    })
  )
})
