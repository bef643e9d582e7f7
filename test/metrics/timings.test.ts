import t from 'tap'
import { Families } from '../../src/metrics/families.ts'
import { createTimings } from '../../src/metrics/timings.ts'
import { readScrape } from '../helpers/scrape.ts'

t.test('what took time is told in seconds, under the name of its pool', async t => {
  const families = new Families()
  const timings = createTimings(families)
  timings.verified('cache', 0.02)
  timings.verified('verify', 2)
  timings.waited('p', 'bulk', 12_000)
  timings.connected('p', 3)
  timings.connected('p', 40)
  timings.checked('q', 250)
  const now = readScrape(await families.text())
  t.equal(now.value('tollgate_auth_seconds_bucket', { path: 'cache', le: '0.000025' }), 1)
  t.equal(now.value('tollgate_auth_seconds_sum', { path: 'verify' }), 0.002)
  t.equal(now.value('tollgate_queue_wait_seconds_sum', { pool: 'p', class: 'bulk' }), 12)
  t.equal(now.value('tollgate_upstream_connect_seconds_count', { pool: 'p' }), 2)
  t.equal(now.value('tollgate_upstream_connect_seconds_bucket', { pool: 'p', le: '0.005' }), 1)
  t.equal(now.value('tollgate_upstream_health_check_seconds_sum', { pool: 'q' }), 0.25)
})
