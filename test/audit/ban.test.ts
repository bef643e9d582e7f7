import t from 'tap'
import { banRecord } from '../../src/audit/ban.ts'

t.test(
  'the audit log says who is banned, why, until when, when that was lifted, and which operator did it',
  async t => {
    const ban = {
      key: '2001:db8:0:0::/64',
      ip: '2001:db8::7',
      reason: 'failures',
      sinceMs: 0,
      untilMs: 600_000,
      times: 2
    }
    t.strictSame(banRecord({ what: 'added', ban, isDry: false, by: null }, 0), {
      '@timestamp': '1970-01-01T00:00:00.000Z',
      'event.dataset': 'tollgate.audit',
      'event.kind': 'alert',
      'event.action': 'ban.add',
      'event.reason': 'failures',
      'source.ip': null,
      'tollgate.operator': null,
      'client.ip': '2001:db8::7',
      'tollgate.ban.key': '2001:db8:0:0::/64',
      'tollgate.ban.until': '1970-01-01T00:10:00.000Z',
      'tollgate.ban.times': 2,
      'tollgate.ban.dry_run': false
    })
    const by = { address: '127.0.0.1', by: 'admin.token' }
    t.match(banRecord({ what: 'lifted', ban, isDry: true, by }, 0), {
      'event.action': 'ban.remove',
      'source.ip': '127.0.0.1',
      'tollgate.operator': 'admin.token'
    })
  }
)
