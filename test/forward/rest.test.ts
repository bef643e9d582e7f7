import t from 'tap'
import { Rest } from '../../src/forward/rest.ts'

const REST_MS = 20

/** A rest that tells, in order, what has rested. */
function scene() {
  const rested: string[] = []
  const waiting = new Map<string, () => void>()
  const rest = new Rest<{ readonly name: string; place: number }>(REST_MS, thing => {
    // Where it lies from now on is the affair of whoever got it.
    rested.push(thing.name)
    waiting.get(thing.name)?.()
  })
  return {
    rest,
    rested,
    thing: (name: string) => ({ name, place: -1 }),
    untilRested: (name: string) => new Promise<void>(resolve => waiting.set(name, resolve))
  }
}

t.test(
  'a thing rests for its time, those that come later rest for theirs, and after a pause it begins anew',
  async t => {
    // The timer keeps no process alive.
    const alive = setInterval(() => {}, 1_000)
    t.teardown(() => clearInterval(alive))
    const { rest, rested, thing, untilRested } = scene()
    for (const [early, late] of [
      ['a', 'b'],
      ['c', 'd']
    ] as const) {
      const [earlyIs, lateIs] = [untilRested(early), untilRested(late)]
      rest.add(thing(early))
      setTimeout(() => rest.add(thing(late)), REST_MS * 1.5)
      const addedAt = performance.now()
      await earlyIs
      // A timer of Node may be a millisecond early.
      t.ok(performance.now() - addedAt >= REST_MS - 1)
      await lateIs
      t.ok(performance.now() - addedAt >= REST_MS * 2)
      t.strictSame(rest.all(), [])
    }
    t.strictSame(rested, ['a', 'b', 'c', 'd'])
  }
)

t.test('a thing that is removed before or between the turns of the timer is never handed on', async t => {
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const { rest, rested, thing, untilRested } = scene()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(thing) as [
    ReturnType<typeof thing>,
    ReturnType<typeof thing>,
    ReturnType<typeof thing>,
    ReturnType<typeof thing>
  ]
  const cIs = untilRested('c')
  for (const each of [a, b, c]) rest.add(each)
  rest.remove(a)
  rest.remove(d)
  t.same(
    rest.all().map(({ name }) => name),
    ['c', 'b']
  )
  setTimeout(() => rest.remove(b), REST_MS * 1.5)
  await cIs
  t.strictSame(rested, ['c'])
  t.equal(a.place, -1)
})
