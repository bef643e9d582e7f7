import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { LIMIT_METRICS } from '../../src/metrics/limit-definitions.ts'

t.test('what is promised of a store can be read off: a question to it has a bound at its 50 ms', async t => {
  t.ok((LIMIT_METRICS.tollgate_limiter_seconds.buckets as readonly number[]).includes(0.05))
})

t.test('they are metrics like all others', async t => {
  t.match(METRICS, LIMIT_METRICS)
  for (const name of Object.keys(LIMIT_METRICS)) t.match(name, /^tollgate_(limit|budget|redis|store)/)
})
