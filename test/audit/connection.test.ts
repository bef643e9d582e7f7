import t from 'tap'
import { connectionRecord } from '../../src/audit/connection.ts'

t.test('a connection that ended without a request has a line with its code and the address of its peer', async t => {
  const line = { code: 'TOLLGATE_ACCEPT_TLS', address: '203.0.113.7', suppressed: 3 } as const
  t.match(connectionRecord(line, 0), {
    '@timestamp': '1970-01-01T00:00:00.000Z',
    'event.action': 'connection',
    'event.outcome': 'failure',
    'source.ip': '203.0.113.7',
    'tollgate.code': 'TOLLGATE_ACCEPT_TLS',
    'tollgate.suppressed': 3
  })
  t.equal(connectionRecord({ ...line, address: '' }, 0)['source.ip'], null)
})
