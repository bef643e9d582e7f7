import t, { type Test } from 'tap'
import { FROM_ADDRESS, FROM_ALL, FROM_ONE, MemoryThrottle, type Throttle } from '../../src/mint/throttle.ts'
import { SharedThrottle } from '../../src/mint/throttle-shared.ts'
import { startRedisWithRights, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected } from '../helpers/stores.ts'

/** The same sentences for both: two gates that share their counters, or one that is both. */
const TWINS: Record<string, (t: Test) => Promise<readonly [Throttle, Throttle]>> = {
  memory: async () => {
    const one = new MemoryThrottle({ nowMs: Date.now })
    return [one, one]
  },
  'redis-server, with the rights of the README': async t => {
    const { connection } = await connected(t, await startRedisWithRights(t))
    const make = () => new SharedThrottle({ run: connection.run, nowMs: Date.now })
    return [make(), make()]
  }
}

for (const [twin, open] of Object.entries(TWINS)) {
  t.test(twin, twin === 'memory' ? {} : WITHOUT_REDIS, async t => {
    const [one, other] = await open(t)

    t.test('tries at one gate count at the other', async t => {
      const of = { name: 'ada', address: 'a' }
      for (let i = 0; i < FROM_ONE.free; i++) t.equal(await (i % 2 === 0 ? one : other).enter(of), 0)
      for (const gate of [one, other]) {
        const wait = await gate.enter(of)
        t.ok(wait > 0 && wait <= 1_000, String(wait))
      }
    })

    t.test('a success at one gate lets the account begin anew at the other', async t => {
      const of = { name: 'bob', address: 'a' }
      for (let i = 0; i < FROM_ONE.free; i++) await one.enter(of)
      t.ok((await other.enter(of)) > 0)
      await one.succeeded(of)
      t.equal(await other.enter(of), 0)
    })

    t.test('names tried from one address at both gates count together, and a success takes one back', async t => {
      let made = 0
      for (let i = 0; i < 100; i++) {
        if ((await (i % 2 === 0 ? one : other).enter({ name: `name-${i}`, address: 'sprayer' })) === 0) made++
      }
      t.equal(made, FROM_ADDRESS.free)
      t.equal(await other.enter({ name: 'name-1', address: 'elsewhere' }), 0)
      for (let i = 0; i < 2 * FROM_ADDRESS.free; i++) {
        const of = { name: `user-${i}`, address: 'office' }
        t.equal(await (i % 2 === 0 ? one : other).enter(of), 0)
        await one.succeeded(of)
      }
    })

    t.test('an address of the owner is known at both, and is not slowed down by the others', async t => {
      const home = { name: 'eve', address: 'home' }
      await one.enter(home)
      await one.succeeded(home)
      for (let i = 0; i < FROM_ALL.free; i++) t.equal(await one.enter({ name: 'eve', address: `x${i}` }), 0)
      t.ok((await other.enter({ name: 'eve', address: 'new' })) > 0)
      t.equal(await other.enter(home), 0)
    })
  })
}

t.test('while the store is away each gate goes on by what it has let in itself', async t => {
  let isAway = false
  const answers: unknown[] = []
  const throttle = new SharedThrottle({
    run: async () => {
      if (isAway) throw new Error('away')
      answers.push(0)
      return 0
    },
    nowMs: () => 0
  })
  const of = { name: 'ada', address: 'a' }
  for (let i = 0; i < FROM_ONE.free - 1; i++) t.equal(await throttle.enter(of), 0)
  isAway = true
  t.equal(await throttle.enter(of), 0)
  t.ok((await throttle.enter(of)) > 0)
  await throttle.succeeded(of)
  t.equal(await throttle.enter(of), 0)
  t.equal(answers.length, FROM_ONE.free - 1)
})
