import fc from 'fast-check'
import t from 'tap'
import { Heap } from '../../src/route/heap.ts'

t.test('the first is the least, whatever comes, changes and goes: a sorted list says the same', async _t => {
  const step = fc.record({ item: fc.nat(20), what: fc.constantFrom('settle', 'delete'), value: fc.nat(50) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
      const values = Array.from({ length: 21 }, () => 0)
      const rank = (item: number) => (values[item] ?? 0) * 100 + item
      const heap = new Heap<number>((a, b) => rank(a) < rank(b))
      const there = new Set<number>()
      for (const { item, what, value } of steps) {
        if (what === 'settle') {
          values[item] = value
          there.add(item)
          heap.settle(item)
        } else {
          there.delete(item)
          heap.delete(item)
        }
        if (heap.first !== [...there].sort((a, b) => rank(a) - rank(b))[0]) return false
      }
      return true
    })
  )
})
