import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { REVOCATION_METRICS } from '../../src/metrics/revocation-definitions.ts'

t.test('they are metrics like all others', async t => {
  t.match(METRICS, REVOCATION_METRICS)
  for (const name of Object.keys(REVOCATION_METRICS)) t.match(name, /^tollgate_revocation/)
})
