import t from 'tap'
import { keyRecord } from '../../src/audit/key.ts'

t.test('the audit log says which key came into which state, and until when', async t => {
  const change = { kid: 'k-1', alg: 'ES256', state: 'signing', from: 'waiting', untilMs: 600_000 }
  t.strictSame(keyRecord(change, 0), {
    '@timestamp': '1970-01-01T00:00:00.000Z',
    'event.dataset': 'tollgate.audit',
    'event.kind': 'event',
    'event.action': 'mint.key',
    'tollgate.key.id': 'k-1',
    'tollgate.key.alg': 'ES256',
    'tollgate.key.state': 'signing',
    'tollgate.key.from': 'waiting',
    'tollgate.key.until': '1970-01-01T00:10:00.000Z'
  })
  t.equal(keyRecord({ ...change, untilMs: null }, 0)['tollgate.key.until'], null)
})
