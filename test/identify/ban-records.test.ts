import t from 'tap'
import { BanRecords, CLEAN_MS } from '../../src/identify/ban-records.ts'

const ban = (key: string, untilMs: number, times = 1) => ({
  key,
  ip: key,
  reason: 'failures',
  sinceMs: 0,
  untilMs,
  times
})

t.test('a ban ends by itself, and how often it was is known until a day was clean', async t => {
  const records = new BanRecords()
  records.set(ban('a', 100, 3), 0)
  t.match(records.active('a', 99), { times: 3 })
  t.equal(records.active('a', 100), null)
  t.equal(records.timesOf('a', 100 + CLEAN_MS - 1), 3)
  t.equal(records.timesOf('a', 100 + CLEAN_MS), 0)
  t.strictSame(records.all(99).length, 1)
  t.strictSame(records.all(100), [])
})

t.test('B7: when there are too many, what has ended makes room, then what ends first', async t => {
  const records = new BanRecords({ max: 3 })
  records.set(ban('ended', 10), 0)
  records.set(ban('long', 1_000), 0)
  records.set(ban('short', 500), 0)
  records.set(ban('new', 900), 50)
  t.equal(records.evictions, 0)
  records.set(ban('newer', 900), 50)
  t.equal(records.evictions, 1)
  t.strictSame(
    records.all(50).map(({ key }) => key),
    ['long', 'new', 'newer']
  )
  for (let i = 0; i < 10_000; i++) records.set(ban(`more-${i}`, 2_000 + i), 60)
  t.equal(records.size, 3)
})
