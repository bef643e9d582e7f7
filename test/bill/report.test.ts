import fc from 'fast-check'
import t from 'tap'
import { readDays, Zone } from '../../src/bill/calendar.ts'
import { Batch, readUsage } from '../../src/bill/records.ts'
import { type Dimension, report } from '../../src/bill/report.ts'
import { type Cursor, Rollup } from '../../src/bill/rollup.ts'
import { type Use, used } from '../helpers/bills.ts'
import { PRICES, priceList } from '../helpers/price-lists.ts'

const START: Cursor = { instance: 'gw-0', boot: 'B', number: 0, at: 0, crc: 0, line: 0, seq: null, isDone: false }

function rollupOf(uses: readonly Use[]): Rollup {
  const batch = new Batch()
  for (const use of uses) {
    const entry = readUsage(used(use))
    if (entry !== null) batch.add(entry)
  }
  const rollup = new Rollup(':memory:')
  rollup.add(START, { ...START, at: 1 }, batch, [])
  return rollup
}

const day = (text: string) => readDays(text)?.first ?? 0
const of = (
  rollup: Rollup,
  by: readonly Dimension[],
  { from = '2026-10-01', to = '2026-12-31', tz = 'UTC', prices = PRICES } = {}
) =>
  report({
    rollup,
    from: day(from),
    to: day(to),
    zone: new Zone(tz),
    by,
    prices: prices === '' ? null : priceList(prices)
  })

t.test('usage is divided by whatever is asked for, and a subject stands with its issuer', async t => {
  const rollup = rollupOf([{ sub: 'b' }, { sub: 'a' }, { sub: 'a', iss: 'https://other.example.com' }, { sub: 'a' }])
  const { labels, rows, total } = of(rollup, ['sub', 'model', 'kind', 'source'])
  t.strictSame(labels, ['sub', 'iss', 'model', 'kind', 'source'])
  t.strictSame(
    rows.map(row => [row.labels.slice(0, 2).join(' '), row.sums.requests]),
    [
      ['a https://idp.example.com', 2n],
      ['a https://other.example.com', 1n],
      ['b https://idp.example.com', 1n]
    ]
  )
  t.equal(total.sums.requests, 4n)
  t.strictSame(
    of(rollup, []).rows.map(row => row.sums.requests),
    [4n]
  )
})

t.test('a call belongs to the day on which it ended, there', async t => {
  const rollup = rollupOf(['2026-11-22T18:14:59.999Z', '2026-11-22T18:15:00.000Z'].map(time => ({ time })))
  const days = (tz: string) => of(rollup, ['day'], { tz }).rows.map(row => [row.labels[0], row.sums.requests])
  t.strictSame(days('UTC'), [['2026-11-22', 2n]])
  t.strictSame(days('Asia/Kathmandu'), [
    ['2026-11-22', 1n],
    ['2026-11-23', 1n]
  ])
  t.strictSame(
    of(rollup, ['month']).rows.map(row => row.labels),
    [['2026-11']]
  )
  t.strictSame(of(rollup, ['day'], { tz: 'Asia/Kathmandu', from: '2026-11-23' }).total.sums.requests, 1n)
  t.strictSame(of(rollup, ['day'], { tz: 'Asia/Kathmandu', to: '2026-11-22' }).total.sums.requests, 1n)
})

t.test('a day of 25 hours has all of them, one of 23 no more', async t => {
  const hoursFrom = (time: string) =>
    Array.from({ length: 72 }, (_, n) => ({ time: new Date(Date.parse(time) + n * 3_600_000).toISOString() }))
  const counts = (time: string) =>
    of(rollupOf(hoursFrom(time)), ['day'], { tz: 'Europe/Berlin', from: '2026-01-01' }).rows.map(
      row => row.sums.requests
    )
  t.strictSame(counts('2026-10-23T22:00:00Z'), [24n, 25n, 23n])
  t.strictSame(counts('2026-03-27T23:00:00Z'), [24n, 23n, 24n, 1n])
})

t.test('what is guessed, what nobody has said and what has no price are told apart', async t => {
  const rollup = rollupOf([
    { model_served: 'qwen3-8b', usage: { input: 1_000_000, output: 0 } },
    { model_served: 'qwen3-8b', usage: { source: 'estimated', input: 1_000_000, output: 0 } },
    { model_served: 'qwen3-8b', usage: { source: 'none', input: null, output: null } },
    { model_served: 'other' }
  ])
  const { rows, total } = of(rollup, ['model'])
  t.match(rows[1], { estimated: { requests: 1n, input: 1_000_000n }, untold: 1n, unpriced: 0n })
  t.equal(rows[1]?.estimated.atoms, (rows[1]?.atoms ?? 0n) / 2n)
  t.match(rows[0], { atoms: 0n, unpriced: 1n })
  t.match(total, { unpriced: 1n, untold: 1n })
  t.match(of(rollup, [], { prices: '' }).total, { unpriced: 0n, untold: 1n, atoms: 0n })
})

const uses = fc.array(
  fc.record({
    model_served: fc.constantFrom('qwen3-8b', 'qwen3-32b', 'other', 'free'),
    team: fc.constantFrom('red', 'blue', 'blink', 'x'),
    sub: fc.constantFrom('a', 'b'),
    time: fc
      .date({ min: new Date('2026-09-15T00:00:00Z'), max: new Date('2026-12-15T00:00:00Z'), noInvalidDate: true })
      .map(date => date.toISOString()),
    usage: fc.record({
      source: fc.constantFrom('engine_final' as const, 'estimated' as const),
      input: fc.option(fc.nat(1e9)),
      cached_input: fc.option(fc.nat(1e9)),
      output: fc.option(fc.nat(1e9))
    })
  }),
  { maxLength: 30 }
)
const dimensions = fc.subarray<Dimension>(['month', 'day', 'team', 'sub', 'model', 'kind', 'source'])
const zones = fc.constantFrom('UTC', 'Asia/Kathmandu', 'America/New_York')

t.test(
  'parts sum up to the whole, which is the same however it is divided and in whatever order records came',
  async t => {
    fc.assert(
      fc.property(uses, dimensions, zones, (records, by, tz) => {
        const whole = of(rollupOf(records), [], { from: '2026-09-01', tz }).total
        const { rows, total } = of(rollupOf(records.toReversed()), by, { from: '2026-09-01', tz })
        t.strictSame({ ...total }, { ...whole })
        const add = (pick: (row: (typeof rows)[number]) => bigint) => rows.reduce((sum, row) => sum + pick(row), 0n)
        t.equal(
          add(row => row.atoms),
          whole.atoms
        )
        t.equal(
          add(row => row.sums.input),
          BigInt(records.reduce((sum, { usage }) => sum + (usage.input ?? 0), 0))
        )
        t.equal(
          add(row => row.unpriced),
          whole.unpriced
        )
      }),
      { numRuns: 60 }
    )
  }
)

t.test('the cost of a report is the sum of what each record costs by itself', async t => {
  fc.assert(
    fc.property(uses, records => {
      const each = records.map(record => of(rollupOf([record]), [], { from: '2026-09-01' }).total.atoms)
      t.equal(
        of(rollupOf(records), ['team'], { from: '2026-09-01' }).total.atoms,
        each.reduce((sum, atoms) => sum + atoms, 0n)
      )
    }),
    { numRuns: 30 }
  )
})
