import fc from 'fast-check'
import t from 'tap'
import type { Draw } from '../../src/limit/quota-store.ts'
import { MemoryQuotaStore } from '../../src/limit/quota-store-memory.ts'
import { createClock } from '../helpers/clock.ts'
import { budget, lease, rate } from '../helpers/draws.ts'
import { PlainModel } from '../helpers/quota-model.ts'

const START = 1_700_000_000_000

t.test('a bucket fills again while time goes by', async t => {
  const clock = createClock(START)
  const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
  const draws = [rate('r', 60, { resource: 'requests' })]
  for (let i = 0; i < 60; i++) t.ok(store.reserve(`c${i}`, draws, 0).ticket)
  t.match(store.reserve('more', draws, 0), { ticket: null, refusal: { waitMs: 1_000 } })
  clock.advance(999)
  t.equal(store.reserve('more', draws, 0).ticket, null)
  clock.advance(1)
  t.ok(store.reserve('more', draws, 0).ticket)
})

t.test('a budget is whole again when its period is over, and not before', async t => {
  const clock = createClock(START)
  const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
  const today = [budget('b', 100, START + 5_000)]
  t.ok(store.reserve('a', today, 100).ticket)
  clock.advance(4_999)
  t.match(store.reserve('b', today, 1), { ticket: null, refusal: { waitMs: 1 } })
  clock.advance(1)
  t.ok(store.reserve('c', [budget('b', 100, START + 10_000)], 100).ticket)
})

t.test('what is settled after its period is over gives nothing back to the next one', async t => {
  const clock = createClock(START)
  const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
  const { ticket } = store.reserve('a', [budget('b', 100, START + 5_000)], 80)
  clock.advance(6_000)
  const next = [budget('b', 100, START + 10_000)]
  t.ok(store.reserve('b', next, 50).ticket)
  if (ticket !== null) store.settle(ticket, { requests: 1, tokens: 10 })
  t.strictSame(store.peek(next), [50])
})

t.test('a lease that nobody renews ends after thirty seconds, one that is renewed does not', async t => {
  const clock = createClock(START)
  const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
  const draws = [lease('l', 2)]
  const kept = store.reserve('kept', draws, 0).ticket
  t.ok(store.reserve('lost', draws, 0).ticket)
  for (let i = 0; i < 5; i++) {
    clock.advance(10_000)
    if (kept !== null) store.renew([kept])
  }
  t.strictSame(store.peek(draws), [1])
})

t.test('a million subjects that come once each leave no million buckets behind', async t => {
  const clock = createClock(START)
  const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
  for (let i = 0; i < 1_000_000; i++) {
    store.reserve('x', [rate(`sub-${i}`, 60, { resource: 'requests' })], 0)
    if (i % 1_000 === 0) clock.advance(1_000)
  }
  t.ok(store.size < 10_000, `${store.size}`)
})

t.test('where none can be forgotten yet, no more than a bound are kept, and the least used go first', async t => {
  const store = new MemoryQuotaStore({ nowMs: () => START, maxBuckets: 1_000 })
  const heavy = rate('heavy', 1_000)
  store.reserve('x', [heavy], 900)
  for (let i = 0; i < 20_000; i++) store.reserve('x', [rate(`sub-${i}`, 1_000)], 1)
  t.ok(store.size <= 1_001, `${store.size}`)
  t.strictSame(store.peek([heavy]), [900])
})

t.test('whatever comes in whatever order while time goes by, it says what a plain model says', async () => {
  const draws: Draw[] = [
    rate('rpm', 5, { resource: 'requests' }),
    rate('tpm', 100),
    rate('shadow', 20, { isShadow: true }),
    lease('running', 3),
    budget('day', 1_000, START + 10_000_000),
    rate('all', 60, { isShared: true })
  ]
  const step = fc.record({
    verb: fc.constantFrom('reserve', 'reserve', 'settle', 'renew'),
    which: fc.subarray([0, 1, 2, 3, 4, 5], { minLength: 1 }),
    call: fc.nat({ max: 12 }),
    tokens: fc.integer({ min: 1, max: 120 }),
    spent: fc.nat({ max: 200 }),
    requests: fc.constantFrom(0, 1),
    afterMs: fc.nat({ max: 20_000 })
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const clock = createClock(START)
      const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
      const model = new PlainModel(clock.nowMs)
      for (const { verb, which, call, tokens, spent, requests, afterMs } of steps) {
        clock.advance(afterMs)
        const id = `c${call}`
        const some = which.map(i => draws[i] as Draw)
        if (verb === 'reserve') {
          const open = model.ticketOf(id)
          if (open !== undefined) continue
          model.agrees(id, some, tokens, store.reserve(id, some, tokens))
        } else {
          const open = model.ticketOf(id)
          if (open === undefined) continue
          if (verb === 'renew') store.renew([open])
          else store.settle(open, { requests, tokens: spent })
          model[verb](id, { requests, tokens: spent })
        }
        model.sameAs(store.peek(draws), draws)
      }
    }),
    { numRuns: 300 }
  )
})
