import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { RUN_METRICS } from '../../src/metrics/run-definitions.ts'

t.test('they are metrics like all others, and show from the start on, so that a first drop is an increase', async t => {
  t.match(METRICS, RUN_METRICS)
  t.strictSame(RUN_METRICS.tollgate_audit_dropped_total.labels, [])
  t.strictSame(RUN_METRICS.tollgate_log_dropped_total.labels, [])
})
