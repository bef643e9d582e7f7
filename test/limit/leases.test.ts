import t from 'tap'
import { Leases } from '../../src/limit/leases.ts'
import { MemoryQuotaStore } from '../../src/limit/quota-store-memory.ts'
import { createClock } from '../helpers/clock.ts'
import { lease, rate } from '../helpers/draws.ts'

t.test('leases of calls that go on are kept for hours, and those of calls that ended are not', async t => {
  const clock = createClock(0)
  const store = new MemoryQuotaStore({ nowMs: clock.nowMs })
  const leases = new Leases(store)
  const draws = [lease('l', 100)]
  const tickets = Array.from({ length: 25 }, (_, i) => store.reserve(`c${i}`, draws, 0).ticket)
  const drops = tickets.map(ticket => (ticket === null ? () => {} : leases.keep(ticket)))
  for (const drop of drops.slice(20)) drop()
  t.equal(leases.size, 20)
  for (let second = 0; second < 4 * 3_600; second++) {
    clock.advance(1_000)
    leases.renew(second)
  }
  t.strictSame(store.peek(draws), [20])
})

t.test('a call without a lease is nothing to keep', async t => {
  const store = new MemoryQuotaStore({ nowMs: () => 0 })
  const leases = new Leases(store)
  const { ticket } = store.reserve('c', [rate('r', 10)], 1)
  if (ticket !== null) leases.keep(ticket)()
  t.equal(leases.size, 0)
})
