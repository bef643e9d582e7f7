import t from 'tap'
import { OPERATIONS } from '../../src/engines/operations.ts'
import { METRICS } from '../../src/metrics/definitions.ts'
import { HISTOGRAMS } from '../../src/metrics/histogram-definitions.ts'

t.test('they are metrics like all others, without a team, which would be a histogram for each', async t => {
  t.match(METRICS, HISTOGRAMS)
  for (const [name, { kind, labels }] of Object.entries(HISTOGRAMS)) {
    t.equal(kind, 'histogram', name)
    t.notOk((labels as readonly string[]).includes('team'), name)
  }
})

t.test('what the alerts look at can be read off: there is a bound where each begins', async t => {
  const first: readonly number[] = HISTOGRAMS.tollgate_time_to_first_token_seconds.buckets
  const next: readonly number[] = HISTOGRAMS.tollgate_time_per_output_token_seconds.buckets
  t.ok(first.includes(5))
  t.ok(next.includes(0.2))
})

t.test('every operation that goes to an engine has room for its overhead, and so has a route', async t => {
  const gone = Object.values(OPERATIONS).filter(({ kind }) => kind !== 'none')
  t.ok(gone.length + 1 < HISTOGRAMS.tollgate_gateway_overhead_seconds.max, String(gone.length))
})
