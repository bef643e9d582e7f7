import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Draw, Outcome, QuotaStore, Ticket } from '../../src/limit/quota-store.ts'
import { ClusteredQuotaStore } from '../../src/limit/quota-store-clustered.ts'
import { MemoryQuotaStore } from '../../src/limit/quota-store-memory.ts'
import { ValkeyQuotaStore } from '../../src/limit/quota-store-valkey.ts'
import type { ScriptRunner } from '../../src/scripts.ts'
import { budget, lease, rate } from '../helpers/draws.ts'
import { PlainModel } from '../helpers/quota-model.ts'
import { startRedisCluster, startRedisWithRights, WITHOUT_REDIS } from '../helpers/redis.ts'
import { connected } from '../helpers/stores.ts'

/** So long that what fills up while a test runs is nothing. */
const AGES = 1e21
const HASTY_MS = 300
const FAR = Date.now() + 1e10

/** Opens a store, and another one beside it whose leases end sooner. */
const TWINS: Record<string, (t: Test) => Promise<{ store: QuotaStore; hasty: QuotaStore }>> = {
  memory: async () => ({
    store: new MemoryQuotaStore({ nowMs: Date.now }),
    hasty: new MemoryQuotaStore({ nowMs: Date.now, leaseMs: HASTY_MS })
  }),
  'redis-server, with the rights of the README': async t => {
    const { connection } = await connected(t, await startRedisWithRights(t))
    // The keys of these tests are short; those of a gateway begin like this.
    const run: ScriptRunner['run'] = (script, keys, args) =>
      connection.run(
        script,
        keys.map(key => (key.startsWith('tollgate:1:') ? key : `tollgate:1:${key}`)),
        args
      )
    return { store: new ValkeyQuotaStore({ run }), hasty: new ValkeyQuotaStore({ run }, { leaseMs: HASTY_MS }) }
  },
  'redis-server as a cluster, every bucket on its own': async t => {
    const { connection, store } = await connected(t, await startRedisCluster(t), { isCluster: true })
    const hasty = new ClusteredQuotaStore(new ValkeyQuotaStore(connection, { isCluster: true, leaseMs: HASTY_MS }))
    return { store: new ClusteredQuotaStore(store), hasty }
  }
}

const ticketOf = ({ ticket }: Outcome): Ticket => {
  if (ticket === null) throw new Error('refused')
  return ticket
}
const requests = (key: string, amount: number) => rate(key, amount, { resource: 'requests', windowMs: AGES })
const tokens = (key: string, amount: number) => rate(key, amount, { windowMs: AGES })

for (const [twin, open] of Object.entries(TWINS)) {
  t.test(twin, twin === 'memory' ? {} : WITHOUT_REDIS, async t => {
    const { store, hasty } = await open(t)

    t.test('draws from all buckets or from none', async t => {
      const draws = [requests('all-r', 10), tokens('all-t', 100), lease('all-l', 2)]
      t.match(await store.reserve('all-1', draws, 60), { ticket: { id: 'all-1' }, refusal: null, used: [1, 60, 1] })
      t.match(await store.reserve('all-2', draws, 60), {
        ticket: null,
        refusal: { draw: { key: 'all-t' } },
        used: [1, 60, 1]
      })
      t.strictSame(await store.peek(draws), [1, 60, 1])
    })

    t.test('the refusal is the one that lasts longest', async t => {
      const fast = rate('{long}-f', 10, { windowMs: 10_000 })
      const slow = rate('{long}-s', 10, { windowMs: 1_000_000 })
      await store.reserve('long-1', [fast, slow], 10)
      const { refusal } = await store.reserve('long-2', [fast, slow], 5)
      t.equal(refusal?.draw.key, '{long}-s')
      t.ok((refusal?.waitMs ?? 0) > 490_000 && (refusal?.waitMs ?? 0) <= 500_000)
    })

    t.test('what was used takes the place of what was reserved, more or less of it, once', async t => {
      const draws = [requests('settle-r', 10), tokens('settle-t', 1_000)]
      const ticket = ticketOf(await store.reserve('settle-1', draws, 300))
      t.strictSame(await store.settle(ticket, { requests: 1, tokens: 100 }), [1, 100])
      t.equal(await store.settle(ticket, { requests: 1, tokens: 900 }), null)
      t.strictSame(await store.peek(draws), [1, 100])
      const other = ticketOf(await store.reserve('settle-2', draws, 100))
      t.strictSame(await store.settle(other, { requests: 0, tokens: 0 }), [1, 100])
    })

    t.test('more than was reserved is a debt that nothing gets past, and nothing is fuller than full', async t => {
      const draws = [tokens('debt', 100)]
      const ticket = ticketOf(await store.reserve('debt-1', draws, 10))
      t.strictSame(await store.settle(ticket, { requests: 1, tokens: 350.5 }), [350.5])
      t.match(await store.reserve('debt-2', draws, 1), { ticket: null, used: [350.5] })
      const full = [tokens('full', 100)]
      const last = ticketOf(await store.reserve('full-1', full, 10))
      t.strictSame(await store.settle(last, { requests: 1, tokens: -500 }), [0])
    })

    t.test('what several teams share is never deeper in debt than half of it, whatever calls use', async t => {
      const draws = [{ ...tokens('{s}-shared', 100), isShared: true }, tokens('{s}-own', 1_000)]
      const tickets = []
      for (let i = 0; i < 5; i++) tickets.push(ticketOf(await store.reserve(`shared-${i}`, draws, 20)))
      for (const ticket of tickets) await store.settle(ticket, { requests: 1, tokens: 10_000 })
      t.strictSame(await store.peek(draws), [150, 50_000], 'the own bucket has all of it')
      const large = [{ ...tokens('{s}-large', 100), isShared: true }]
      const ticket = ticketOf(await store.reserve('shared-large', large, 5_000))
      t.strictSame(await store.peek(large), [100], 'a reservation leaves no debt')
      t.strictSame(
        await store.settle(ticket, { requests: 1, tokens: 70 }),
        [70],
        'and what of it was not used comes back'
      )
    })

    t.test('what is larger than a bucket needs a full one', async t => {
      const draws = [tokens('large', 100)]
      const ticket = ticketOf(await store.reserve('large-1', draws, 250))
      t.strictSame(await store.peek(draws), [250])
      await store.settle(ticket, { requests: 1, tokens: 1 })
      t.equal((await store.reserve('large-2', draws, 250)).ticket, null)
    })

    t.test('a bucket fills again by itself', async t => {
      const draws = [rate('fills', 100, { windowMs: 1_000 })]
      await store.reserve('fills-1', draws, 100)
      let waited = 0
      while ((await store.reserve(`fills-${2 + waited}`, draws, 50)).ticket === null) {
        waited++
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      t.ok(waited > 5)
      while ((await store.peek(draws))[0] !== 0) await new Promise(resolve => setTimeout(resolve, 20))
    })

    t.test('an amount that was changed keeps what was used', async t => {
      await store.reserve('change-1', [tokens('change', 100)], 60)
      t.equal((await store.reserve('change-2', [tokens('change', 50)], 1)).ticket, null)
      t.match(await store.reserve('change-3', [tokens('change', 200)], 100), { used: [160] })
    })

    t.test('a budget lasts until its period ends, and the next one owes nothing', async t => {
      const ticket = ticketOf(await store.reserve('budget-1', [budget('budget', 100, FAR)], 100))
      const { refusal } = await store.reserve('budget-2', [budget('budget', 100, FAR)], 1)
      t.ok((refusal?.waitMs ?? 0) > 9e9)
      const next = [budget('budget', 100, FAR + 1_000)]
      t.strictSame(await store.peek(next), [0])
      t.match(await store.reserve('budget-3', next, 40), { used: [40] })
      await store.settle(ticket, { requests: 1, tokens: 1 })
      t.strictSame(await store.peek(next), [40], 'nothing of the old one comes back')
    })

    t.test('leases are bounded, given back once, and end with their call alone', async t => {
      const draws = [lease('lease', 2)]
      const [first, second] = [await store.reserve('lease-1', draws, 0), await store.reserve('lease-2', draws, 0)]
      t.match(await store.reserve('lease-3', draws, 0), { ticket: null, refusal: { waitMs: 1_000 } })
      await store.renew([ticketOf(first), ticketOf(second)])
      t.strictSame(await store.peek(draws), [2])
      for (let i = 0; i < 3; i++) await store.settle(ticketOf(first), { requests: 1, tokens: 0 })
      t.strictSame(await store.peek(draws), [1])
      t.ok((await store.reserve('lease-4', draws, 0)).ticket)
    })

    t.test('a lease that nobody renews ends by itself, and one that is renewed does not', async t => {
      const draws = [lease('ends', 2)]
      const kept = ticketOf(await hasty.reserve('ends-1', draws, 0))
      await hasty.reserve('ends-2', draws, 0)
      for (let left = 2; left > 1; [left = 0] = await hasty.peek(draws)) {
        await new Promise(resolve => setTimeout(resolve, HASTY_MS / 10))
        await hasty.renew([kept])
      }
      t.strictSame(await hasty.peek(draws), [1])
      t.match((await hasty.settle(kept, { requests: 1, tokens: 0 })) ?? [0], [0])
      t.strictSame(await hasty.peek(draws), [0])
    })

    t.test('a limit in shadow refuses nobody, and is not drawn from when it would', async t => {
      const draws = [tokens('shadow-real', 1_000), { ...tokens('shadow-try', 100), isShadow: true }]
      t.match(await store.reserve('shadow-1', draws, 80), { shadowed: [], used: [80, 80] })
      const over = await store.reserve('shadow-2', draws, 80)
      t.match(over, { shadowed: [{ key: 'shadow-try' }], used: [160, 80] })
      t.match(await store.settle(ticketOf(over), { requests: 1, tokens: 100 }), [180])
      t.strictSame(await store.peek(draws), [180, 80])
    })

    t.test('what is drawn beside a limit in shadow that would refuse is settled like any other', async t => {
      const draws = [{ ...tokens('{beside}-try', 10), isShadow: true }, tokens('{beside}-real', 1_000)]
      await store.reserve('beside-0', draws.slice(0, 1), 10)
      const ticket = ticketOf(await store.reserve('beside-1', draws, 80))
      t.strictSame(await store.settle(ticket, { requests: 1, tokens: 30 }), [30])
      t.ok(Math.abs((await store.peek(draws))[1] ?? 0) - 30 < 1e-3)
    })

    t.test('a hundred at once get no more than there is', async t => {
      const draws = [tokens('crowd', 100), lease('crowd-l', 50)]
      const outcomes = await Promise.all(Array.from({ length: 100 }, (_, i) => store.reserve(`crowd-${i}`, draws, 7)))
      t.equal(outcomes.filter(({ ticket }) => ticket !== null).length, 14)
      t.strictSame(await store.peek(draws), [98, 14])
    })

    t.test('whatever comes in whatever order, it says what a plain model says', async () => {
      const step = fc.record({
        verb: fc.constantFrom('reserve', 'reserve', 'settle', 'settle', 'renew'),
        which: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1 }),
        call: fc.nat({ max: 8 }),
        amount: fc.integer({ min: 1, max: 120 }),
        // Weights have fractions, and a millionth of a token is the slack of all twins: whoever is at its edge may differ.
        spent: fc.integer({ min: 0, max: 20_000 }).map(hundredths => hundredths / 100),
        requests: fc.constantFrom(0, 1)
      })
      let run = 0
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
          const own = `run-${run++}`
          const draws: Draw[] = [
            requests(`${own}-r`, 5),
            tokens(`${own}-t`, 100),
            { ...tokens(`${own}-s`, 20), isShadow: true },
            lease(`${own}-l`, 3),
            budget(`${own}-b`, 1_000, FAR),
            { ...tokens(`${own}-a`, 60), isShared: true }
          ]
          const model = new PlainModel(() => 0)
          for (const { verb, which, call, amount, spent, requests: taken } of steps) {
            const id = `${own}-${call}`
            const some = which.map(i => draws[i] as Draw)
            const ticket = model.ticketOf(id)
            if (verb === 'reserve') {
              if (ticket === undefined) model.agrees(id, some, amount, await store.reserve(id, some, amount))
            } else if (ticket !== undefined) {
              if (verb === 'renew') await store.renew([ticket])
              else await store.settle(ticket, { requests: taken, tokens: spent })
              model[verb](id, { requests: taken, tokens: spent })
            }
          }
          model.sameAs(await store.peek(draws), draws)
        }),
        { numRuns: 100 }
      )
    })
  })
}
