import t from 'tap'
import { Buckets, type Sample } from '../../src/metrics/buckets.ts'

const LABELS = { pool: 'p' }

function told(buckets: Buckets): Sample[] {
  const samples: Sample[] = []
  buckets.tell('h', samples)
  return samples
}

t.test('a value counts at its bound and at each above it; one on a bound is up to it', async t => {
  const buckets = new Buckets(LABELS, [0.5, 1, 2])
  for (const value of [0, 0.5, 0.75, 2, 2.5, 100]) buckets.observe(value)
  t.strictSame(told(buckets), [
    { metricName: 'h_bucket', labels: { pool: 'p', le: 0.5 }, value: 2 },
    { metricName: 'h_bucket', labels: { pool: 'p', le: 1 }, value: 3 },
    { metricName: 'h_bucket', labels: { pool: 'p', le: 2 }, value: 4 },
    { metricName: 'h_bucket', labels: { pool: 'p', le: '+Inf' }, value: 6 },
    { metricName: 'h_sum', labels: LABELS, value: 105.75 },
    { metricName: 'h_count', labels: LABELS, value: 6 }
  ])
})

t.test('what is no number is refused, and changes nothing', async t => {
  const buckets = new Buckets(LABELS, [1])
  buckets.observe(1)
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    t.throws(() => buckets.observe(value), TypeError)
  }
  t.strictSame(
    told(buckets).map(({ value }) => value),
    [1, 1, 1, 1]
  )
})
