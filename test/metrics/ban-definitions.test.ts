import t from 'tap'
import { BAN_METRICS } from '../../src/metrics/ban-definitions.ts'
import { METRICS } from '../../src/metrics/definitions.ts'

t.test('they are metrics like all others, and no label of theirs is an address', async t => {
  t.match(METRICS, BAN_METRICS)
  for (const [name, { labels }] of Object.entries(BAN_METRICS)) {
    t.match(name, /^tollgate_ip_ban/)
    t.ok((labels as readonly string[]).every(label => label === 'reason' || label === 'what'))
  }
})
