import t from 'tap'
import { Calendar } from '../../src/limit/calendar.ts'

const calendar = new Calendar()
const end = (period: 'day' | 'month', tz: string, now: string) =>
  new Date(calendar.endOf(period, tz, Date.parse(now))).toISOString()

t.test('a day ends at midnight of its own place', async t => {
  t.equal(end('day', 'UTC', '2026-03-04T23:59:59.999Z'), '2026-03-05T00:00:00.000Z')
  t.equal(end('day', 'Asia/Shanghai', '2026-03-04T15:59:59Z'), '2026-03-04T16:00:00.000Z')
  t.equal(end('day', 'Asia/Shanghai', '2026-03-04T16:00:00Z'), '2026-03-05T16:00:00.000Z')
  t.equal(end('day', 'Asia/Kathmandu', '2026-03-04T12:00:00Z'), '2026-03-04T18:15:00.000Z')
})

t.test('a month ends where the next one begins, also at the end of a year', async t => {
  t.equal(end('month', 'UTC', '2026-12-31T23:00:00Z'), '2027-01-01T00:00:00.000Z')
  t.equal(end('month', 'America/New_York', '2026-02-01T04:59:59Z'), '2026-02-01T05:00:00.000Z')
  t.equal(end('month', 'UTC', '2028-02-10T00:00:00Z'), '2028-03-01T00:00:00.000Z')
})

t.test('a day on which clocks are changed is an hour shorter or longer, and a month knows of it', async t => {
  t.equal(end('day', 'Europe/Berlin', '2026-03-28T23:30:00Z'), '2026-03-29T22:00:00.000Z')
  t.equal(end('day', 'Europe/Berlin', '2026-10-24T22:30:00Z'), '2026-10-25T23:00:00.000Z')
  t.equal(end('month', 'Europe/Berlin', '2026-03-10T00:00:00Z'), '2026-03-31T22:00:00.000Z')
})

t.test('the end is always to come, whatever the place and the hour', async t => {
  for (const tz of ['UTC', 'America/Havana', 'Asia/Beirut', 'Pacific/Kiritimati', 'Pacific/Niue', 'Africa/Cairo']) {
    for (let at = Date.parse('2026-01-01T00:00:00Z'); at < Date.parse('2027-01-01T00:00:00Z'); at += 5 * 3_600_000) {
      const ends = calendar.endOf('day', tz, at)
      if (!(ends > at && ends - at <= 26 * 3_600_000)) t.fail(`${tz} ${new Date(at).toISOString()}`)
    }
  }
})
