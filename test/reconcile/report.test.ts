import t from 'tap'
import { reportCsv, reportJson, reportTable } from '../../src/reconcile/report.ts'

const REPORT = {
  from: '2026-11-01T00:00:00.000Z',
  to: '2026-11-02T00:00:00.000Z',
  thresholdPercent: 1,
  isOver: true,
  notes: ['a note'],
  rows: [
    {
      model: 'm',
      tokens: 'input',
      ledger: 1_000_000,
      engines: 1_000_001,
      difference: -1,
      driftPercent: -0.0001,
      isOver: false
    },
    {
      model: '=cmd,"x"\u001b[31m',
      tokens: 'output',
      ledger: 5,
      engines: 0,
      difference: 5,
      driftPercent: null,
      isOver: true
    },
    { model: '', tokens: 'output', ledger: 1, engines: 1.5, difference: -0.5, driftPercent: -33.3333, isOver: true }
  ]
} as const

t.test('a table for people, in which nothing is what a terminal obeys', async t => {
  t.equal(
    reportTable(REPORT),
    `model           tokens   ledger  engines  difference       drift
m               input   1000000  1000001          -1     -0.00 %
=cmd,"x" [31m   output        5        0           5  no counter  OVER
(none)          output        1      1.5        -0.5    -33.33 %  OVER
note: a note
2026-11-01T00:00:00.000Z to 2026-11-02T00:00:00.000Z: MORE than 1 % apart
`.replaceAll(/^(model|m|\(none\)|=cmd,"x" \[31m) +/gm, name => name.trimEnd().padEnd(15))
  )
})

t.test('CSV in which no model is a formula', async t => {
  t.equal(
    reportCsv(REPORT),
    [
      'model,tokens,ledger,engines,difference,drift_percent,over',
      'm,input,1000000,1000001,-1,-0.0001,false',
      '"\'=cmd,""x"" [31m",output,5,0,5,,true',
      '(none),output,1,1.5,-0.5,-33.3333,true',
      ''
    ].join('\r\n')
  )
})

t.test('JSON for programs', async t => {
  const { ok, threshold_percent, rows, notes } = JSON.parse(reportJson(REPORT))
  t.equal(ok, false)
  t.equal(threshold_percent, 1)
  t.match(rows[1], { model: '=cmd,"x"\u001b[31m', tokens: 'output', drift_percent: null, over: true })
  t.strictSame(notes, ['a note'])
})
