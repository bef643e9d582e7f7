import t from 'tap'
import { Zone } from '../../src/bill/calendar.ts'
import { myUsage } from '../../src/bill/my-usage.ts'
import { rolled, type Use, writeSegment } from '../helpers/bills.ts'

const WHO = { iss: 'https://idp.example.com', sub: 'u-1', team: 'team-a' }
const AS_OF = Date.parse('2026-11-23T12:00:00Z')

t.test('today and this month, by model, in the days of the gate’s zone', async t => {
  const dir = t.testdir()
  const uses: Use[] = [
    { time: '2026-11-23T11:00:00.000Z', usage: { input: 5, cached_input: 2, output: 1 } },
    { time: '2026-11-22T23:30:00.000Z', model_served: 'n', usage: { source: 'estimated', audio_seconds: 1.5 } },
    { time: '2026-11-23T11:00:00.000Z', model_served: 'n', usage: { source: 'none', input: null, output: null } },
    { time: '2026-10-31T22:30:00.000Z' },
    {
      time: '2026-11-23T11:00:00.000Z',
      pool: null,
      outcome: 'rejected',
      usage: { source: 'none', input: null, output: null }
    }
  ]
  writeSegment(dir, uses)
  const rollup = rolled(dir)
  const utc = myUsage(rollup, WHO, new Zone('UTC'), AS_OF)
  t.match(utc, {
    object: 'usage',
    as_of: '2026-11-23T12:00:00.000Z',
    time_zone: 'UTC',
    team: 'team-a',
    sub: 'u-1',
    today: {
      from: '2026-11-23T00:00:00.000Z',
      to: '2026-11-24T00:00:00.000Z',
      total: { requests: 3, errors: 1, input_tokens: 5, output_tokens: 1, untold_requests: 1 },
      models: [
        { model: null, requests: 1, errors: 1, input_tokens: null, untold_requests: 0 },
        { model: 'm', requests: 1, input_tokens: 5, cached_input_tokens: 2, output_tokens: 1, reasoning_tokens: null },
        { model: 'n', requests: 1, input_tokens: null, output_tokens: null, untold_requests: 1 }
      ]
    },
    month: { from: '2026-11-01T00:00:00.000Z', to: '2026-12-01T00:00:00.000Z', total: { requests: 4 } }
  })
  t.match(utc.month.models[2], { model: 'n', requests: 2, audio_seconds: 1.5, estimated_requests: 1 })
  const berlin = myUsage(rollup, WHO, new Zone('Europe/Berlin'), AS_OF)
  t.match(berlin.today, { from: '2026-11-22T23:00:00.000Z', total: { requests: 4 } })
})

t.test('never what another has used, nor the same name of another issuer or in another team', async t => {
  const dir = t.testdir()
  writeSegment(dir, [{ sub: 'u-2' }, { iss: 'https://other.example.com' }, { team: 'team-b' }, { sub: 'U-1' }, {}])
  t.match(myUsage(rolled(dir), WHO, new Zone('UTC'), AS_OF).month.total, { requests: 1 })
  t.match(myUsage(rolled(dir), { ...WHO, sub: '%' }, new Zone('UTC'), AS_OF).month, {
    total: { requests: 0 },
    models: []
  })
})
