import t from 'tap'
import { CONNECTION_METRICS } from '../../src/metrics/connection-definitions.ts'
import { METRICS } from '../../src/metrics/definitions.ts'

t.test('they are metrics like all others, and no label of theirs is an address', async t => {
  t.match(METRICS, CONNECTION_METRICS)
  for (const [name, { labels }] of Object.entries(CONNECTION_METRICS)) {
    t.match(name, /^tollgate_connection/)
    t.ok((labels as readonly string[]).every(label => ['state', 'limit', 'code'].includes(label)))
  }
})
