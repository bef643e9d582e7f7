import { writeFileSync } from 'node:fs'
import t from 'tap'
import { runCheck } from '../../src/config/check.ts'
import { loadPrices, parsePrices } from '../../src/config/prices.ts'
import { PRICES } from '../helpers/price-lists.ts'
import { Written } from '../helpers/written.ts'

const faults = (text: string) =>
  parsePrices(text, 'prices.yaml').faults.map(
    ({ code, line, column, message }) => `${line}:${column} ${code} ${message}`
  )

t.test('a price file without faults has none', async t => {
  t.match(parsePrices(PRICES, 'prices.yaml'), { ok: true, faults: [] })
})

t.test('every fault is told at once, in its place', async t => {
  t.strictSame(
    faults(`currency: Dollar
time_zone: Europe/Atlantis
prices:
  - match: { modle: m }
    per_million: { input: 0.2, output: "-1" }
  - match: { op: embedings }
    from: 2026-02-30
    per_request: "1e3"
  - from: 2026-11-30
    to: 2026-11-01
discounts:
  - { percent: 101 }
  - { team: red, percent: "12.5", to: soon }
`),
    [
      '1:11 E205 currency must be three capital letters such as USD',
      '2:12 E205 time_zone must be a time zone such as Europe/Berlin',
      '4:14 E201 unknown key "modle" in prices[0].match',
      '5:27 E205 prices[0].per_million.input must be a price in quotes such as "0.20", with at most nine digits behind the point',
      '5:40 E205 prices[0].per_million.output must be a price in quotes such as "0.20", with at most nine digits behind the point',
      '6:18 E323 nothing that can be asked for is called "embedings"',
      '7:11 E321 there is no 2026-02-30 in the calendar',
      '8:18 E205 prices[1].per_request must be a price in quotes such as "0.20", with at most nine digits behind the point',
      '9:5 E324 it has no price',
      '10:9 E322 it ends on 2026-11-01, before it begins on 2026-11-30',
      '12:16 E205 discounts[0].percent must be a percentage from 0 to 100, such as 15 or "12.5"',
      '13:39 E205 discounts[1].to must be a day such as 2026-11-01'
    ]
  )
  t.strictSame(faults(''), ['1:1 E103 the file is empty'])
  t.match(faults('currency: USD\n'), ['1:1 E202 the file needs the key "prices"'])
  t.match(faults('currency: USD\ncurrency: EUR\n'), [/^2:1 E101 this key stands twice/])
  t.match(loadPrices('/none/prices.yaml'), { ok: false, text: null, faults: [{ code: 'E100' }] })
})

t.test('a price that can never apply is told of; one that narrows or ends is not', async t => {
  const rules = (...rules: string[]) => faults(`currency: USD\nprices:\n${rules.map(rule => `  - ${rule}\n`).join('')}`)
  const price = 'per_request: "1"'
  t.strictSame(rules(`{ from: 2026-01-01, ${price} }`, `{ match: { model: m }, from: 2026-02-01, ${price} }`), [
    '4:5 W411 it never applies: prices[0] matches all of it'
  ])
  t.strictSame(rules(`{ from: 2026-02-01, ${price} }`, `{ from: 2026-01-01, ${price} }`), [])
  t.strictSame(rules(`{ to: 2026-02-01, ${price} }`, `{ ${price} }`), [])
  t.strictSame(rules(`{ match: { model: m }, ${price} }`, `{ match: { team: a }, ${price} }`), [])
})

t.test('`check` reads the price file that a configuration names', async t => {
  const file = `${t.testdir()}/tollgate.yaml`
  writeFileSync(
    file,
    `
issuers: [{ issuer: "https://idp.example.com", audience: inference }]
pools: { p: { engine: vllm, targets: ["http://gpu1:8000"] } }
teams: { red: { pool: p } }
metering: { dir: usage, prices: prices.yaml }
`
  )
  const check = (format: 'text' | 'json') => {
    const [stdout, stderr] = [new Written(), new Written()]
    return { code: runCheck({ file, format, env: {}, stdout, stderr, color: false }), text: stdout.text }
  }
  t.match(check('text'), { code: 1, text: /prices.yaml:1:1 error E100 the file cannot be read \(ENOENT\)/ })
  writeFileSync(file.replace('tollgate', 'prices'), PRICES)
  t.match(check('text'), { code: 0, text: /fine \(1 issuer, 1 pool, 1 team, 4 prices\)/ })
  writeFileSync(file.replace('tollgate', 'prices'), PRICES.replace('USD', 'usd'))
  t.match(check('text'), { code: 1, text: /prices.yaml:2:11 error E205 .*\n +2 \| currency: usd\n/ })
  t.match(JSON.parse(check('json').text), { ok: false, faults: [{ code: 'E205', file: /prices.yaml$/ }] })
})
