import t from 'tap'
import type { AuditRecord } from '../../src/audit/record.ts'
import { createSuspicionLog, type SuspectedEvent } from '../../src/audit/suspicion.ts'

const EVENT: SuspectedEvent = {
  kind: 'token_sharing',
  action: 'log',
  by: 'token',
  value: 6,
  withinMs: 600_000,
  atMs: 60_000,
  client: { ip: '203.0.113.7', peerIp: '10.0.0.1', key: '203.0.113.7' },
  identity: { iss: 'https://i', sub: 'anna', team: 'red', jti: 'j-1', fingerprint: '0123456789abcdef' },
  requestId: 'r-1'
}

t.test(
  'every event is in the audit log by name, and twenty a minute in the log of the operator as they are shown',
  async t => {
    const records: AuditRecord[] = []
    const lines: [object, string][] = []
    const tell = createSuspicionLog({
      write: record => records.push(record),
      log: { warn: (facts, message) => lines.push([facts, message]) },
      shown: () => 'somebody'
    })
    for (let i = 0; i < 30; i++) tell(EVENT)
    t.equal(records.length, 30)
    t.match(records[0], {
      'event.kind': 'alert',
      'event.action': 'suspicious.token_sharing',
      'client.ip': '203.0.113.7',
      'user.id': 'anna',
      'organization.id': 'red',
      'tollgate.token.fp': '0123456789abcdef',
      'tollgate.suspicious.value': 6
    })
    t.equal(lines.length, 21)
    t.strictSame(lines[0], [
      {
        kind: 'token_sharing',
        action: 'log',
        value: 6,
        client: '203.0.113.7',
        sub: 'somebody',
        team: 'red',
        token: '0123456789abcdef',
        request: 'r-1'
      },
      'suspicious behaviour'
    ])
    t.match(lines[20]?.[1], /the audit log has it all/)
    tell({ ...EVENT, atMs: 120_000 })
    t.equal(lines.length, 22)
  }
)
