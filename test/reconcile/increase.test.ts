import fc from 'fast-check'
import t from 'tap'
import { Increase } from '../../src/reconcile/increase.ts'

const samples = (...pairs: [number, number][]) => pairs.map(([atMs, value]) => ({ atMs, value }))

t.test('what is counted is what came after the beginning, up to the end', async t => {
  const increase = new Increase(10, 20)
  increase.add(samples([5, 1], [9, 4], [11, 6], [20, 9], [21, 50]))
  t.equal(increase.total, 5)
  t.equal(increase.resets, 0)
  t.equal(increase.appearedAt, 0)
})

t.test('a counter that begins anew, and one that was not there, count from 0', async t => {
  const anew = new Increase(0, 100)
  anew.add(samples([0, 40], [10, 50], [20, 3], [30, 5], [40, 1]))
  t.equal(anew.total, 10 + 3 + 2 + 1)
  t.equal(anew.resets, 2)
  const late = new Increase(0, 100)
  late.add(samples([50, 7], [60, 9]))
  t.equal(late.total, 9)
  t.equal(late.appearedAt, 7)
})

t.test('readings that come twice, and stale markers, are none', async t => {
  const increase = new Increase(0, 100)
  increase.add(samples([0, 1], [10, 2]))
  increase.add(samples([0, 1], [10, 2], [15, Number.NaN], [20, 5]))
  t.equal(increase.total, 4)
})

t.test('however readings are cut into pieces that overlap, the sum is that of the whole', async t => {
  const increments = fc.array(fc.record({ step: fc.nat(50), isReset: fc.boolean() }), { maxLength: 40 })
  fc.assert(
    fc.property(increments, fc.array(fc.nat(40)), (steps, cuts) => {
      let value = 0
      let expected = 0
      const all = [{ atMs: 0, value: 0 }]
      for (const [index, { step, isReset }] of steps.entries()) {
        // One that began anew and stands as high as before cannot be told from one that did not.
        value = isReset && step < value ? step : value + step
        expected += step
        all.push({ atMs: index + 1, value })
      }
      const increase = new Increase(0, 1_000)
      let end = 0
      for (const cut of [...cuts, all.length].sort((a, b) => a - b)) {
        increase.add(all.slice(Math.max(0, end - 3), cut))
        end = cut
      }
      t.equal(increase.total, expected)
    })
  )
})
