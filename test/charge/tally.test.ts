import t from 'tap'
import { Tally } from '../../src/charge/tally.ts'

const LINES = [{ isOpen: true }, { isOpen: false }, { isOpen: false }]
const NOTHING = { bytes: 0, waiting: 0, sinceMs: null }

t.test('lines count when the kernel has them, and until then they wait', async t => {
  const tally = new Tally()
  tally.put(LINES, performance.now() - 1_000)
  t.match(tally.stats({ ...NOTHING, waiting: 2 }), { opens: 0, usages: 0, waiting: 5 })
  t.ok(tally.stats(NOTHING).oldestUnwrittenMs >= 1_000)
  t.ok((tally.written() ?? 0) >= 1_000)
  t.match(tally.stats(NOTHING), { opens: 1, usages: 2, waiting: 0, oldestUnwrittenMs: 0 })
  tally.put([], performance.now())
  t.equal(tally.written(), null)
})

t.test('a sync is of what was written before it had begun', async t => {
  const tally = new Tally()
  const write = (agoMs: number) => {
    tally.put(LINES, performance.now() - agoMs)
    tally.written()
  }
  write(9_000)
  tally.syncBegins()
  write(5_000)
  write(1_000)
  t.ok(tally.stats(NOTHING).oldestUnsyncedMs >= 9_000)
  tally.synced()
  const { oldestUnsyncedMs } = tally.stats(NOTHING)
  t.ok(oldestUnsyncedMs >= 5_000 && oldestUnsyncedMs < 9_000, String(oldestUnsyncedMs))
  tally.syncBegins()
  tally.synced()
  t.equal(tally.stats(NOTHING).oldestUnsyncedMs, 0)
})

t.test('what waits to be written is not on the disk either', async t => {
  const { oldestUnwrittenMs, oldestUnsyncedMs } = new Tally().stats({
    bytes: 0,
    waiting: 1,
    sinceMs: performance.now() - 3_000
  })
  t.ok(oldestUnwrittenMs >= 3_000)
  t.equal(oldestUnsyncedMs, oldestUnwrittenMs)
})
