import t from 'tap'
import { revokedRecord } from '../../src/audit/revoked.ts'

t.test('a revocation is written down with who, what and why', async t => {
  const of = { id: 'r', kind: 'sub', iss: 'https://idp', value: 'u', beforeMs: 0, cutStreams: true, reason: 'leaked' }
  t.strictSame(revokedRecord('token.revoke', of, { address: '10.0.0.1', by: 'admin.token' }, 1_000), {
    '@timestamp': '1970-01-01T00:00:01.000Z',
    'event.dataset': 'tollgate.audit',
    'event.kind': 'event',
    'event.action': 'token.revoke',
    'event.reason': 'leaked',
    'source.ip': '10.0.0.1',
    'tollgate.operator': 'admin.token',
    'tollgate.revocation.id': 'r',
    'tollgate.revocation.kind': 'sub',
    'tollgate.revocation.value': 'u',
    'tollgate.revocation.issued_before': '1970-01-01T00:00:00.000Z',
    'tollgate.revocation.cut_streams': true,
    'tollgate.token.iss': 'https://idp'
  })
})
