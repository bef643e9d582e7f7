import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { LEDGER_METRICS } from '../../src/metrics/ledger-definitions.ts'

t.test('what is promised of a kill can be read off: there is a bound at a tenth of a second', async t => {
  t.ok((LEDGER_METRICS.tollgate_ledger_commit_seconds.buckets as readonly number[]).includes(0.1))
})

t.test('they are metrics like all others', async t => {
  t.match(METRICS, LEDGER_METRICS)
  for (const name of Object.keys(LEDGER_METRICS)) t.match(name, /^tollgate_(ledger|estimate)/)
})
