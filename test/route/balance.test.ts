import fc from 'fast-check'
import t from 'tap'
import { leastLoaded, mix, nextInTurn, ofSession } from '../../src/route/balance.ts'
import { TargetState } from '../../src/route/target-state.ts'

const state = (n: number, of: { weight?: number; inFlight?: number } = {}) => {
  const target = new TargetState({ pool: 'p', engine: 'vllm', origin: `http://gpu${n}:8000` }, { fall: 3, rise: 2 })
  return Object.assign(target, of)
}
const states = (count: number) => Array.from({ length: count }, (_, n) => state(n))

t.test('the one with the least to do for its weight is chosen, whatever chance says', async _t => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ weight: fc.integer({ min: 1, max: 9 }), inFlight: fc.nat(50) }), {
        minLength: 1,
        maxLength: 9
      }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (items, chance) => {
        const all = items.map((item, n) => state(n, item))
        const least = Math.min(...all.map(target => target.pressure))
        return leastLoaded(all, () => chance).pressure === least
      }
    )
  )
})

t.test('ties are broken by chance, evenly', async t => {
  const all = states(4)
  const counts = new Map<TargetState, number>()
  let seed = 1
  const random = () => {
    seed = mix(seed + 0x9e3779b9)
    return seed / 2 ** 32
  }
  for (let i = 0; i < 4_000; i++) {
    const chosen = leastLoaded(all, random)
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1)
  }
  for (const target of all) t.ok(Math.abs((counts.get(target) ?? 0) - 1_000) < 150, String(counts.get(target)))
})

t.test('turns are taken as often as weights say, and spread', async t => {
  const all = [state(0, { weight: 3 }), state(1), state(2)]
  const turns = Array.from({ length: 10 }, () => all.indexOf(nextInTurn(all)))
  t.strictSame(turns.slice(0, 5), [0, 1, 0, 2, 0])
  t.strictSame(turns.slice(5), turns.slice(0, 5))
})

t.test('a session stays at its target; when one goes, only its own sessions move', async t => {
  const all = states(8)
  const keys = Array.from({ length: 2_000 }, (_, n) => mix(n))
  const before = keys.map(key => ofSession(all, key))
  t.strictSame(
    keys.map(key => ofSession(all, key)),
    before
  )
  const gone = all[3]
  const left = all.filter(target => target !== gone)
  keys.forEach((key, i) => {
    if (before[i] !== gone) t.equal(ofSession(left, key), before[i])
  })
  for (const target of all) {
    const share = before.filter(chosen => chosen === target).length
    t.ok(share > 170 && share < 330, `${share} of 2000`)
  }
})

t.test('a heavier target has more sessions', async t => {
  const all = [state(0, { weight: 3 }), state(1)]
  const share = Array.from({ length: 4_000 }, (_, n) => ofSession(all, mix(n))).filter(
    target => target === all[0]
  ).length
  t.ok(share > 2_800 && share < 3_200, `${share} of 4000`)
})

t.test('a session that has a few calls at once keeps them together on a quiet pool', async t => {
  const all = states(4)
  const home = ofSession(all, 42)
  for (let i = 0; i < 8; i++) {
    const chosen = ofSession(all, 42)
    t.equal(chosen, home)
    chosen.inFlight++
  }
  t.not(ofSession(all, 42), home)
  const heavy = [state(0, { weight: 3 }), state(1)]
  const own = heavy[0]?.weight ?? 0
  for (let i = 0; i < 8 * own; i++) (heavy[0] as (typeof heavy)[0]).inFlight++
  t.equal(ofSession(heavy, mix(7)), heavy[1], 'a heavier one has room for more, and no more than that')
})

t.test('a session whose target is too busy spills to the next of its own order, and comes back', async t => {
  const all = states(4)
  const home = ofSession(all, 42)
  for (let i = 0; i < 400; i++) ofSession(all, 42).inFlight++
  const most = Math.max(...all.map(target => target.inFlight))
  t.ok(most <= Math.ceil(401 * 0.25 * 1.25), `${most} of 400 at one`)
  t.equal(home.inFlight, most)
  for (const target of all) target.inFlight = 0
  t.equal(ofSession(all, 42), home)
})
