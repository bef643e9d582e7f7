import t from 'tap'
import { formatCsv, formatJson, formatTable } from '../../src/bill/formats.ts'
import { ATOMS } from '../../src/bill/money.ts'
import { COLUMNS, type Column, type Sums } from '../../src/bill/records.ts'
import type { Report, Row } from '../../src/bill/report.ts'
import { printable } from '../../src/printable.ts'

const row = (labels: readonly string[], sums: Partial<Record<Column, bigint>> = {}, more: Partial<Row> = {}): Row => ({
  labels,
  sums: { ...(Object.fromEntries(COLUMNS.map(column => [column, 0n])) as Sums<bigint>), requests: 1n, ...sums },
  estimated: { requests: 0n, input: 0n, output: 0n, atoms: 0n },
  atoms: 0n,
  unpriced: 0n,
  untold: 0n,
  ...more
})
const told = { input: 7n, input_told: 1n, output: 0n, output_told: 1n }
const money = { currency: 'USD', decimals: 2 }
const reportOf = (rows: readonly Row[], total = row([])): Report => ({ labels: ['sub'], rows, total })
const csv = (report: Report) => formatCsv({ report, ...money }).split('\r\n')

t.test('nothing that a spreadsheet would run stands in a cell', async t => {
  const evil = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '\r=1', '＝1', '\u200b=1']
  const lines = csv(reportOf(evil.map(sub => row([sub]))))
  for (const [index, sub] of evil.entries())
    t.ok(formatCsv({ report: reportOf([row([sub])]), ...money }).includes(`"'${printable(sub)}`), lines[index] ?? '')
  t.match(csv(reportOf([row(['u-1'])]))[1], /^u-1,/)
  t.match(csv(reportOf([row(['a "b", c'])]))[1], /^"a ""b"", c",/)
})

t.test('in CSV and JSON, what is not known is nothing and null, and what is said to be 0 is 0', async t => {
  const report = reportOf([row(['u-1'], told, { atoms: ATOMS, untold: 2n })], row([], told, { atoms: ATOMS }))
  t.equal(
    csv(report).join('\n'),
    `sub,requests,errors,input,cached_input,output,reasoning_output,audio_seconds,untold,estimated_requests,estimated_input,estimated_output,cost,estimated_cost,unpriced,currency
u-1,1,0,7,,0,,,2,0,0,0,1.00,0.00,0,USD
`
  )
  t.match(JSON.parse(formatJson({ report, ...money }, { dir: 'd' })), {
    dir: 'd',
    currency: 'USD',
    rows: [{ sub: 'u-1', input: 7, cached_input: null, output: 0, audio_seconds: null, cost: '1.00', unpriced: 0 }],
    total: { requests: 1, cost: '1.00' }
  })
  t.notMatch(formatJson({ report, currency: null, decimals: 2 }, {}), /cost/)
})

t.test('what has no price has none, and is never 0', async t => {
  const none = row(['u-1'], told, { unpriced: 1n })
  const some = row(['u-2'], { ...told, requests: 3n }, { atoms: ATOMS, unpriced: 1n })
  const report = reportOf([none, some], row([], { requests: 4n }, { atoms: ATOMS, unpriced: 2n }))
  const table = formatTable({ report, ...money })
  t.match(table, /u-1 .* no price\n/)
  t.match(table, /u-2 .* 1\.00 \+ 1 without a price\n/)
  t.match(table, /total .* 1\.00 \+ 2 without a price\n/)
  t.match(csv(report)[1], /,,0\.00,1,USD$/)
  t.match(JSON.parse(formatJson({ report, ...money }, {})).rows[0], { cost: null, unpriced: 1 })
})

t.test('a table shows what is known, how much of it is guessed, and rows that add up', async t => {
  const thirds = ['a', 'b', 'c'].map(sub =>
    row([sub], { ...told, audio_ms: 61_500n, audio_told: 1n }, { atoms: ATOMS / 3n })
  )
  const guess = { requests: 1n, input: 1n, output: 0n, atoms: 0n }
  const total = row([], { ...told, audio_ms: 184_500n, audio_told: 3n }, { atoms: ATOMS, estimated: guess, untold: 1n })
  t.equal(
    formatTable({ report: reportOf(thirds, total), ...money }),
    `sub    requests  errors  input  output  sound s  estimated  not told   USD
a             1       0      7       0   61.500        0 %         0  0.34
b             1       0      7       0   61.500        0 %         0  0.33
c             1       0      7       0   61.500        0 %         0  0.33
total         1       0      7       0  184.500     14.2 %         1  1.00
`
  )
  t.equal(formatTable({ report: reportOf([]), ...money }), 'No usage.\n')
})

t.test('what a terminal would obey does not reach it', async t => {
  const table = formatTable({ report: reportOf([row(['\u001b]0;x\u0007']), row([''])]), ...money })
  t.notOk(table.includes('\u001b'))
  t.match(table, /\(none\)/)
})

t.test('numbers that others would read wrongly are texts in JSON', async t => {
  const report = reportOf([row(['u'], { input: 2n ** 60n, input_told: 1n })])
  t.equal(JSON.parse(formatJson({ report, ...money }, {})).rows[0].input, '1152921504606846976')
})
