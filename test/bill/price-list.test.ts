import fc from 'fast-check'
import t from 'tap'
import { ATOMS } from '../../src/bill/money.ts'
import { matches } from '../../src/bill/price-list.ts'
import { COLUMNS, type Column, type Sums } from '../../src/bill/records.ts'
import { quarterAt } from '../helpers/bills.ts'
import { PRICES, priceList } from '../helpers/price-lists.ts'

const sums = (some: Partial<Record<Column, bigint>>): Sums<bigint> => ({
  ...(Object.fromEntries(COLUMNS.map(column => [column, 0n])) as Sums<bigint>),
  ...some
})
const NOVEMBER = quarterAt('2026-11-15T00:00:00Z')
const OCTOBER = quarterAt('2026-10-31T23:45:00Z')
const TOLD = { requests: 1n, input_told: 1n, cached_told: 1n, output_told: 1n }
const MILLION = sums({ ...TOLD, input: 3_000_000n, cached: 1_000_000n, output: 1_000_000n })
const key = (model: string, team = 'other', op = 'chat') => ({ model, team, op })
const cents = (atoms: bigint) => Number((atoms * 10_000n) / ATOMS) / 100

t.test('the first price that matches is the price, at its time', async t => {
  const list = priceList(PRICES)
  const cost = (team: string, at: number) => cents(list.cost(key('qwen3-32b', team), at, MILLION).atoms)
  t.equal(cost('other', NOVEMBER), 40 + 5 + 60)
  // Without a price for what came from a cache, that costs what the rest does.
  t.equal(cost('red', NOVEMBER), 30 + 30)
  t.equal(cost('red', OCTOBER), 40 + 5 + 60)
  t.equal(list.currency, 'USD')
  t.strictSame(
    list.edges,
    ['2026-10-01', '2026-11-01', '2026-12-01'].map(day => quarterAt(`${day}T00:00:00Z`))
  )
})

t.test('the first discount that matches is the discount, from its first day to the end of its last', async t => {
  const list = priceList(PRICES)
  const cost = (at: string) => cents(list.cost(key('qwen3-32b', 'blue'), quarterAt(at), MILLION).atoms)
  t.equal(cost('2026-10-31T23:45:00Z'), 52.5)
  t.equal(cost('2026-11-01T00:00:00Z'), 89.25)
  t.equal(cost('2026-11-30T23:45:00Z'), 89.25)
  t.equal(cost('2026-12-01T00:00:00Z'), 52.5)
})

t.test('days of prices are those of the file’s own zone', async t => {
  const list = priceList(`
currency: EUR
time_zone: Asia/Kathmandu
prices: [{ from: 2026-11-01, per_request: "1" }]
`)
  t.strictSame(list.edges, [quarterAt('2026-10-31T18:15:00Z')])
})

t.test('what has no price is not free, and what is free has a price', async t => {
  const list = priceList(PRICES)
  t.match(list.cost(key('llama'), NOVEMBER, sums({ requests: 5n, rejected: 2n })), { atoms: 0n, unpriced: 3n })
  t.match(list.cost(key('free'), NOVEMBER, MILLION), { atoms: 0n, unpriced: 0n, untold: 0n })
  t.match(list.cost(key('qwen3-8b'), quarterAt('2026-09-30T23:45:00Z'), MILLION), { atoms: 0n, unpriced: 1n })
})

t.test('a price by what nobody has said is told of', async t => {
  const list = priceList(PRICES)
  const sound = key('whisper', 'other', 'transcription')
  t.match(list.cost(sound, NOVEMBER, sums({ requests: 2n, soundless: 1n, audio_ms: 90_000n, input_told: 1n })), {
    atoms: (ATOMS * 6n) / 1000n,
    untold: 1n
  })
  t.match(list.cost(key('qwen3-8b'), NOVEMBER, sums({ requests: 4n, soundless: 3n, rejected: 1n })), { untold: 0n })
  t.match(list.cost(key('qwen3-8b'), NOVEMBER, sums({ requests: 4n, soundless: 3n, tokenless: 1n })), { untold: 1n })
})

t.test('a star stands for anything, and nothing else does', async t => {
  for (const [pattern, text] of [
    ['*', ''],
    ['*', 'a'],
    ['a*', 'a'],
    ['a*c', 'abc'],
    ['*b*', 'abc'],
    ['a*b*c', 'a-b-b-c'],
    ['a.c', 'a.c']
  ] as const)
    t.ok(matches(pattern, text), `${pattern} ${text}`)
  for (const [pattern, text] of [
    ['', 'a'],
    ['a', 'ab'],
    ['a*a', 'a'],
    ['ab*bc', 'abc'],
    ['a.c', 'abc'],
    ['a*b*c', 'acb']
  ] as const)
    t.notOk(matches(pattern, text), `${pattern} ${text}`)
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 })
  fc.assert(
    fc.property(letters, letters, (pattern, text) => {
      t.equal(matches(pattern, text), new RegExp(`^${pattern.replaceAll('*', '[^]*')}$`).test(text))
    })
  )
  t.notOk(matches('*a'.repeat(100), 'a'.repeat(10_000).replace(/a$/, 'b')))
})
