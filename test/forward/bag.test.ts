import fc from 'fast-check'
import t from 'tap'
import { Bag, type Placed } from '../../src/forward/bag.ts'

interface Thing extends Placed {
  readonly name: number
}

t.test('whatever is added and removed in whatever order, a bag holds what a Set would', async () => {
  const step = fc.record({ verb: fc.constantFrom('add', 'remove', 'pop'), name: fc.nat({ max: 9 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const things = Array.from({ length: 10 }, (_, name): Thing => ({ name, place: -1 }))
      const bag = new Bag<Thing>()
      const set = new Set<Thing>()
      for (const { verb, name } of steps) {
        const thing = things[name] as Thing
        if (verb === 'pop') {
          const popped = bag.pop()
          if ((popped === undefined) !== (set.size === 0)) return false
          if (popped !== undefined && !set.delete(popped)) return false
        } else if (verb === 'remove') {
          bag.remove(thing)
          set.delete(thing)
        } else if (!set.has(thing)) {
          bag.add(thing)
          set.add(thing)
        }
        const isSame = bag.size === set.size && bag.all().every(one => set.has(one) && one.place !== -1)
        if (!isSame || things.some(one => one.place === -1 && set.has(one))) return false
      }
      return true
    })
  )
})

t.test('what was never in a bag, or in another one, is left where it is', async t => {
  const [one, other] = [new Bag<Thing>(), new Bag<Thing>()]
  const mine = { name: 1, place: -1 }
  one.add(mine)
  other.add({ name: 2, place: -1 })
  other.remove(mine)
  t.equal(other.size, 1)
  t.equal(mine.place, 0)
  t.equal(one.pop(), mine)
})

t.test('what is removed while everything is gone through is still gone through, once', async t => {
  const bag = new Bag<Thing>()
  for (let name = 0; name < 5; name++) bag.add({ name, place: -1 })
  const seen: number[] = []
  for (const thing of bag.all()) {
    bag.remove(thing)
    seen.push(thing.name)
  }
  t.same(
    seen.sort((a, b) => a - b),
    [0, 1, 2, 3, 4]
  )
  t.equal(bag.size, 0)
})
