import fc from 'fast-check'
import t from 'tap'
import type { Class } from '../../src/route/classes.ts'
import type { Party } from '../../src/route/lane.ts'
import { Queue, type QueueOptions } from '../../src/route/queue.ts'
import { WORK } from '../helpers/pools.ts'

interface Asker extends Party {
  readonly name: string
}

const leaves: (() => void)[] = []
/** Nobody waits longer than the test does. */
const stays = (leave: () => void) => leaves.push(leave)
t.afterEach(() => {
  for (const leave of leaves.splice(0)) leave()
})

const asker = (name: string, { team = 'red', among = 'default' }: { team?: string; among?: Class } = {}): Asker => ({
  name,
  team,
  weight: 1,
  class: among,
  work: () => WORK
})

function queue(options: Partial<QueueOptions> = {}, nowMs = () => 0, capacity = 10): Queue<Asker, string> {
  const q = new Queue<Asker, string>({ size: 100, perTeam: 100, timeoutMs: 60_000, ...options }, { pool: 'p', nowMs })
  q.capacity = capacity
  return q
}

/** Gives so many places, each of which is charged, and has the names of those who got them. */
function give(q: Queue<Asker, string>, count: number): string[] {
  const names: string[] = []
  q.admit(one => {
    if (names.length === count) return null
    q.begin(one)
    names.push(one.name)
    return one.name
  })
  return names
}

t.test('first come, first served, as far as there are places', async t => {
  const q = queue()
  const got: string[] = []
  for (const name of ['a', 'b', 'c']) q.wait(asker(name), stays).then(place => got.push(place))
  let places = 2
  q.admit(({ name }) => (places-- > 0 ? `place of ${name}` : null))
  await Promise.resolve()
  t.strictSame(got, ['place of a', 'place of b'])
  t.equal(q.size, 1)
  q.admit(({ name }) => `place of ${name}`)
  await Promise.resolve()
  t.equal(got.at(-1), 'place of c')
  t.equal(q.size, 0)
})

t.test('too many are refused at once, and one that waits too long is told so', async t => {
  const q = queue({ size: 1, timeoutMs: 20 })
  const first = q.wait(asker('a'), stays)
  await t.rejects(q.wait(asker('b', { team: 'blue' }), stays), {
    code: 'TOLLGATE_ROUTE_FULL',
    detail: { pool: 'p', class: 'default', waiting: 1 }
  })
  await t.rejects(first, { code: 'TOLLGATE_ROUTE_LATE' })
  t.equal(q.size, 0)
  t.strictSame(give(q, 1), [])
})

t.test('one team cannot fill the queue, and one class not that of another', async t => {
  const q = queue({ size: 3, perTeam: 2 })
  let leave = () => {}
  q.wait(asker('a'), goes => {
    leave = goes
  })
  q.wait(asker('b'), stays)
  const share = { code: 'TOLLGATE_ROUTE_SHARE', detail: { pool: 'p', class: 'default', waiting: 2 } }
  await t.rejects(q.wait(asker('c'), stays), share)
  q.wait(asker('d', { team: 'blue' }), stays)
  await t.rejects(q.wait(asker('e', { team: 'blue' }), stays), { code: 'TOLLGATE_ROUTE_FULL' })
  q.wait(asker('f', { among: 'bulk' }), stays)
  t.strictSame(q.depths(), [
    { class: 'default', waiting: 3 },
    { class: 'bulk', waiting: 1 }
  ])
  leave()
  q.wait(asker('g'), stays)
  t.equal(q.size, 4, 'the place of one who left is taken')
  t.strictSame(
    give(q, 9),
    ['d', 'b', 'g', 'f'].sort((a, b) => 'bdgf'.indexOf(a) - 'bdgf'.indexOf(b))
  )
})

t.test('a caller who leaves makes room at once, and gets nothing', async t => {
  const q = queue({ size: 1 })
  let leave = () => {}
  q.wait(asker('a'), goes => {
    leave = goes
  })
  leave()
  leave()
  t.equal(q.size, 0)
  const second = q.wait(asker('b'), stays)
  t.strictSame(give(q, 1), ['b'])
  t.equal(await second, 'b')
})

t.test('what cannot be given is told to the one who asked for it, and the next is served', async t => {
  const q = queue()
  const [a, b] = [q.wait(asker('a'), stays), q.wait(asker('b'), stays)]
  q.admit(({ name }) => {
    if (name === 'a') throw new Error('not for a')
    return name
  })
  await t.rejects(a, /not for a/)
  t.equal(await b, 'b')
})

t.test('a hundred calls of one team do not go before the next of another', async t => {
  const q = queue()
  for (let i = 0; i < 100; i++) q.wait(asker(`a${i}`, { team: 'a' }), stays)
  t.strictSame(give(q, 4), ['a0', 'a1', 'a2', 'a3'])
  for (let i = 0; i < 5; i++) {
    q.wait(asker('b', { team: 'b' }), stays)
    t.ok(give(q, 2).includes('b'))
  }
})

t.test('a class above is served first', async t => {
  const q = queue({}, () => 0, 1)
  for (const among of ['bulk', 'default', 'interactive', 'system'] as const) {
    for (const n of [1, 2]) q.wait(asker(`${among}${n}`, { among }), stays)
  }
  t.strictSame(give(q, 8), [
    ...['system1', 'system2', 'interactive1', 'interactive2'],
    ...['default1', 'default2', 'bulk1', 'bulk2']
  ])
})

t.test('places that are reserved for a class below are given to it, and no more of them', async t => {
  const q = queue({}, () => 0, 20)
  for (let i = 0; i < 40; i++) {
    for (const among of ['bulk', 'default', 'interactive', 'system'] as const) q.wait(asker(among, { among }), stays)
  }
  const given = give(q, 20)
  const count = (name: string) => given.filter(other => other === name).length
  t.strictSame([count('system'), count('interactive'), count('default'), count('bulk')], [13, 5, 2, 0])
})

t.test('a class that was passed over long and often is served next, once', async t => {
  let now = 0
  const q = queue({ timeoutMs: 30_000 }, () => now, 1)
  for (let i = 0; i < 40; i++) {
    q.wait(asker('high', { among: 'interactive' }), stays)
    q.wait(asker('low', { among: 'bulk' }), stays)
  }
  t.notOk(give(q, 9).includes('low'), 'often, but not long')
  now = 5_000
  t.strictSame(give(q, 3), ['low', 'high', 'high'])
  now = 15_000
  t.notOk(give(q, 6).includes('low'), 'long, but not often: the engines are slow')
  t.strictSame(give(q, 2), ['low', 'high'])
})

t.test('as long as places come free, no class waits for ever', async _t => {
  const classes = ['system', 'interactive', 'default', 'bulk'] as const
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 200, maxLength: 300 }), gaps => {
      let now = 0
      const q = queue({ timeoutMs: 30_000, size: 1_000, perTeam: 1_000 }, () => now, 1)
      const before = leaves.length
      const lastly = new Map<string, { at: number; grants: number }>()
      for (const among of classes) {
        for (let i = 0; i < 300; i++) q.wait(asker(among, { among }), stays)
        lastly.set(among, { at: 0, grants: 0 })
      }
      for (const [grants, gap] of gaps.entries()) {
        now += gap
        const [among = ''] = give(q, 1)
        lastly.set(among, { at: now, grants })
        for (const { at, grants: then } of lastly.values()) {
          // Eight of others, then those classes that have starved for longer.
          if (grants - then > 8 + 3 && now - at > 5_000 + 4 * 2_000) return false
        }
      }
      for (const leave of leaves.splice(before)) leave()
      return true
    })
  )
})

t.test('whatever comes, leaves and is admitted: what waits is counted, and is served or told', async _t => {
  const one = fc.record({
    team: fc.constantFrom('red', 'blue'),
    among: fc.constantFrom<Class>('system', 'interactive', 'default', 'bulk')
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(one, fc.constant('admit'), fc.nat(30)), { maxLength: 200, size: 'max' }),
      async steps => {
        const q = queue({ size: 10, perTeam: 7 })
        const model = new Map<string, { team: string; among: Class }>()
        const going = new Map<string, () => void>()
        const fates = new Map<string, string>()
        const expected = new Map<string, string>()
        let count = 0
        for (const step of steps) {
          if (step === 'admit') {
            for (const name of give(q, 1)) {
              const served = model.get(name)
              // Nobody of the same team and class who came before.
              for (const [other, { team, among }] of model) {
                if (other === name) break
                if (team === served?.team && among === served.among) return false
              }
              model.delete(name)
              expected.set(name, name)
            }
          } else if (typeof step === 'object') {
            const name = `n${count++}`
            const same = [...model.values()].filter(({ among }) => among === step.among)
            const ofTeam = same.filter(({ team }) => team === step.team)
            if (same.length >= 10) expected.set(name, 'TOLLGATE_ROUTE_FULL')
            else if (ofTeam.length >= 7) expected.set(name, 'TOLLGATE_ROUTE_SHARE')
            else model.set(name, step)
            q.wait(asker(name, step), leave => going.set(name, leave)).then(
              place => fates.set(name, place),
              error => fates.set(name, error.code)
            )
          } else {
            model.delete(`n${step}`)
            going.get(`n${step}`)?.()
          }
          if (q.size !== model.size) return false
          if (q.depths().reduce((sum, { waiting }) => sum + waiting, 0) !== model.size) return false
        }
        for (const leave of going.values()) leave()
        await new Promise(resolve => setImmediate(resolve))
        for (const [name, fate] of expected) if (fates.get(name) !== fate) return false
        return fates.size === expected.size && q.size === 0
      }
    )
  )
})

t.test('a hundred thousand that came and went leave nothing behind', async t => {
  const q = queue()
  for (let i = 0; i < 100_000; i++) {
    q.wait(asker('x', { team: `t${i}` }), stays)
    q.admit(({ name }) => name)
  }
  t.equal(q.size, 0)
  t.equal(q.laneOf('default').teams, 0)
})

t.test('where nobody ever waits nothing is counted', async t => {
  const q = queue({}, () => 0, Number.POSITIVE_INFINITY)
  t.equal(q.begin(asker('a')), null)
  t.equal(q.laneOf('default').teams, 0)
})

t.test('how long each one waited is told once, whether it got a place, gave up, or its caller left', async t => {
  const told: string[] = []
  const q = new Queue<Asker, string>(
    { size: 100, perTeam: 100, timeoutMs: 20 },
    {
      pool: 'p',
      nowMs: () => 0,
      onWaited: (pool, among, tookMs) => told.push(`${pool} ${among} ${tookMs >= 0 && Number.isFinite(tookMs)}`)
    }
  )
  const placed = q.wait(asker('a', { among: 'bulk' }), stays)
  give(q, 1)
  t.equal(await placed, 'a')
  t.strictSame(told, ['p bulk true'])
  void q.wait(asker('b', { among: 'interactive' }), leave => {
    leave()
    leave()
  })
  t.strictSame(told, ['p bulk true', 'p interactive true'])
  await t.rejects(q.wait(asker('c'), stays), { code: 'TOLLGATE_ROUTE_LATE' })
  t.strictSame(told, ['p bulk true', 'p interactive true', 'p default true'])
  q.options = { size: 0, perTeam: 0, timeoutMs: 20 }
  await t.rejects(q.wait(asker('d'), stays), { code: 'TOLLGATE_ROUTE_FULL' })
  t.equal(told.length, 3, 'who is turned away has not waited')
})
