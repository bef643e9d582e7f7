import t from 'tap'
import { openBanning } from '../src/banning.ts'
import { banOptions } from './helpers/ban-options.ts'

t.test('a ban and its end are told to the operator and to the auditor, once each', async t => {
  const lines: object[] = []
  const records: object[] = []
  const log = { warn: (facts: object) => void lines.push(facts), info: (facts: object) => void lines.push(facts) }
  const banning = openBanning(banOptions(), {
    nowMs: () => 0,
    log,
    write: record => records.push(record),
    connection: null
  })
  const client = { ip: '203.0.113.7', key: '203.0.113.7', isProxy: false }
  banning.bans.impose(client, { reason: 'failures', forMs: 5_000 })
  banning.bans.impose(client, { reason: 'failures', forMs: 4_000 })
  banning.follow(banOptions({ never: ['203.0.113.0/24'] }))
  t.match(lines, [{ banned: '203.0.113.7', forSec: 5 }, { lifted: '203.0.113.7' }])
  t.match(records, [{ 'event.action': 'ban.add' }, { 'event.action': 'ban.remove' }])
  t.equal(lines.length + records.length, 4)
  banning.start()
  await banning.close()
})
