import t from 'tap'
import { openLimits } from '../../src/limit/limits.ts'

t.test('no two calls have one name, neither in one gate nor in two', async t => {
  const gates = [openLimits({ nowMs: Date.now }), openLimits({ nowMs: Date.now })]
  const ids = gates.flatMap(({ nextId }) => Array.from({ length: 1_000 }, nextId))
  t.equal(new Set(ids).size, 2_000)
})
