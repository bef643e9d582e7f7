import t from 'tap'
import { METRICS } from '../../src/metrics/definitions.ts'
import { POOL_METRICS } from '../../src/metrics/pool-definitions.ts'

t.test('they are metrics like all others, and each says of which pool', async t => {
  t.match(METRICS, POOL_METRICS)
  for (const [name, { labels }] of Object.entries(POOL_METRICS)) {
    t.match(name, /^tollgate_(queue|upstream)/)
    t.equal(labels[0], 'pool', name)
  }
})
