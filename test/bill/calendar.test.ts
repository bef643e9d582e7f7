import fc from 'fast-check'
import t from 'tap'
import { dayText, monthOf, monthText, nextMonth, readDays, Zone, zoneNames } from '../../src/bill/calendar.ts'
import { QUARTER_MS } from '../../src/bill/records.ts'

const day = (text: string) => readDays(text)?.first ?? Number.NaN
const begins = (zone: string, text: string) =>
  new Date(new Zone(zone).startOf(day(text)) * QUARTER_MS).toISOString().slice(0, 16)
const hours = (zone: string, text: string) => {
  const of = new Zone(zone)
  return (of.startOf(day(text) + 1) - of.startOf(day(text))) / 4
}

t.test('days and months are read, and what is none is not', async t => {
  t.strictSame(readDays('2026-11-01'), { first: day('2026-11-01'), last: day('2026-11-01') })
  t.strictSame(readDays('2024-02'), { first: day('2024-02-01'), last: day('2024-02-29') })
  for (const text of ['2026-02-30', '2026-13', '2026-00-01', '2026-1-1', '1969-01-01', 'today', '', '2026-11-01T00:00'])
    t.equal(readDays(text), null, text)
  t.equal(dayText(day('2026-12-31') + 1), '2027-01-01')
  t.equal(monthText(monthOf(day('2026-12-31'))), '2026-12')
  t.equal(dayText(nextMonth(day('2026-12-31'))), '2027-01-01')
})

t.test('days begin at midnight of their zone, also where its hours are cut in halves and quarters', async t => {
  t.equal(begins('UTC', '2026-11-23'), '2026-11-23T00:00')
  t.equal(begins('Asia/Shanghai', '2026-11-23'), '2026-11-22T16:00')
  t.equal(begins('Asia/Kolkata', '2026-11-23'), '2026-11-22T18:30')
  t.equal(begins('Asia/Kathmandu', '2026-11-23'), '2026-11-22T18:15')
  t.equal(begins('Australia/Eucla', '2026-11-23'), '2026-11-22T15:15')
  t.equal(begins('Pacific/Chatham', '2026-06-23'), '2026-06-22T11:15')
  t.equal(begins('Pacific/Kiritimati', '2026-11-23'), '2026-11-22T10:00')
  t.equal(begins('+05:45', '2026-11-23'), '2026-11-22T18:15')
})

t.test('days on which clocks change have 23 hours or 25, or half an hour more or less', async t => {
  t.equal(hours('Europe/Berlin', '2026-03-29'), 23)
  t.equal(hours('Europe/Berlin', '2026-10-25'), 25)
  t.equal(hours('America/New_York', '2026-03-08'), 23)
  t.equal(hours('America/New_York', '2026-11-01'), 25)
  t.equal(hours('Australia/Lord_Howe', '2026-04-05'), 24.5)
  t.equal(hours('Australia/Lord_Howe', '2026-10-04'), 23.5)
  t.equal(hours('Europe/Berlin', '2026-11-23'), 24)
})

t.test('where midnight itself is left out, the day begins when the clocks say it is that day', async t => {
  // Clocks go from 24:00 to 01:00.
  t.equal(begins('Africa/Cairo', '2026-04-24'), '2026-04-23T22:00')
  t.equal(hours('Africa/Cairo', '2026-04-24'), 23)
  t.equal(hours('America/Santiago', '2026-09-06'), 23)
  // Samoa has left out a day.
  t.equal(hours('Pacific/Apia', '2011-12-30'), 0)
})

t.test('in every zone the days of two years follow each other without a gap', async t => {
  fc.assert(
    fc.property(
      fc.constantFrom(...zoneNames()),
      fc.integer({ min: day('2026-01-01'), max: day('2027-12-31') }),
      (name, some) => {
        const zone = new Zone(name)
        const start = zone.startOf(some)
        t.equal(zone.dayAt(start * QUARTER_MS), some)
        t.ok(zone.dayAt((start - 1) * QUARTER_MS) < some)
        t.ok(zone.startOf(some + 1) - start >= 22 * 4)
      }
    ),
    { numRuns: 300 }
  )
})

t.test('a zone that does not exist is none', async t => {
  t.throws(() => new Zone('Europe/Atlantis'), RangeError)
  t.ok(zoneNames().includes('UTC'))
})
