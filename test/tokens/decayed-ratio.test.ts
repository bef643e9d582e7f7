import t from 'tap'
import { DecayedRatio } from '../../src/tokens/decayed-ratio.ts'

t.test('begins with what was assumed, follows what is seen, and forgets', async t => {
  const ratio = new DecayedRatio(4, { weight: 10, memory: 1_000 })
  t.equal(ratio.value, 4)
  ratio.add(200, 90)
  t.equal(ratio.value, 2.4)
  for (let n = 0; n < 100; n++) ratio.add(300, 100)
  t.ok(Math.abs(ratio.value - 3) < 0.01)
  ratio.add(1e9, 1)
  ratio.add(1e9, 1e9)
  t.ok(Number.isFinite(ratio.value))
})

t.test('one call is not all of the memory, however large it is', async t => {
  const ratio = new DecayedRatio(3, { weight: 1_000, memory: 2_000 })
  ratio.add(16e9, 1e9)
  t.ok(ratio.value < 8)
})
