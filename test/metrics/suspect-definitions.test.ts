import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { SUSPECT_METRICS } from '../../src/metrics/suspect-definitions.ts'
import { KINDS } from '../../src/suspect/options.ts'

t.test(
  'every kind with everything that can be done about it has a series of its own, and there is room for one more',
  async t => {
    t.match(METRICS, SUSPECT_METRICS)
    t.equal(SUSPECT_METRICS.tollgate_suspicious_events_total.max, KINDS.length * 3 + 1)
  }
)
