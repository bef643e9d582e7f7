import t from 'tap'
import { type Definition, MAX_SERIES, METRICS } from '../../src/metrics/definitions.ts'

const all = Object.entries<Definition>(METRICS)

t.test('names end as Prometheus has it: _total for counters alone, and a unit where there is one', async t => {
  for (const [name, { kind }] of all) {
    t.equal(name.endsWith('_total'), kind === 'counter', name)
    if (kind === 'histogram') t.match(name, /_(seconds|bytes|ratio|per_minute|per_request)$/, name)
    t.notMatch(name, /_(ms|milliseconds|kb|count|sum|bucket)(_total)?$/, name)
  }
})

t.test('no label can hold what a caller is known by, but for the few subjects with the most', async t => {
  // There, `path` is which way a token went: remembered or verified.
  const others = all.filter(([name]) => name !== 'tollgate_auth_seconds')
  const labels = new Set(others.flatMap(([, { labels }]) => labels))
  for (const label of ['subject', 'token', 'ip', 'client', 'path', 'url', 'jti', 'kid']) t.notOk(labels.has(label))
  for (const [name, { labels, max = MAX_SERIES }] of all) {
    t.equal(labels.includes('sub'), /^tollgate_top_subject_/.test(name), name)
    if (labels.includes('sub')) t.ok(max <= 201, name)
  }
})

t.test('buckets ascend', async t => {
  for (const [name, { buckets = [], kind }] of all) {
    t.equal(buckets.length > 0, kind === 'histogram', name)
    t.strictSame(
      buckets,
      [...buckets].sort((a, b) => a - b),
      name
    )
  }
})

t.test('all that callers can make of them stays below twenty thousand lines', async t => {
  let lines = 0
  for (const [, { labels, buckets = [], max = MAX_SERIES }] of all) {
    if (!labels.some(label => label === 'team' || label === 'model' || label === 'op')) continue
    lines += max * (buckets.length === 0 ? 1 : buckets.length + 3)
  }
  t.ok(lines < 20_000, String(lines))
})
