import t from 'tap'
import { KEEP_MS } from '../../src/identify/ban-store.ts'
import { MemoryBanStore } from '../../src/identify/ban-store-memory.ts'
import { BEGINNING, banOf } from '../helpers/ban-stores.ts'
import { createClock } from '../helpers/clock.ts'

t.test('what is left of a ban grows less with the clock, and a day behind its end it is gone', async t => {
  const clock = createClock(1_000_000)
  const store = new MemoryBanStore({ nowMs: clock.nowMs })
  await store.trade([banOf('203.0.113.1', 10_000)], BEGINNING)
  clock.advance(4_000)
  t.match((await store.trade([], BEGINNING)).changes, [{ ban: { leftMs: 6_000 } }])
  clock.advance(6_000 + KEEP_MS)
  t.strictSame((await store.trade([], BEGINNING)).changes, [])
})
