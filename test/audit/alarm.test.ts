import t from 'tap'
import { alarmRecord, createAlarm, type Exceeded } from '../../src/audit/alarm.ts'
import type { AuditRecord } from '../../src/audit/record.ts'

const AT = Date.UTC(2026, 0, 2, 3, 4, 5)
const EXCEEDED: Exceeded = {
  threshold: 'busy',
  measure: 'requests_per_minute',
  limit: 600,
  value: 601,
  minuteAtMs: AT - 5_000,
  atMs: AT,
  iss: 'https://idp',
  sub: 'anna@example.com',
  shown: 'f00d',
  team: 'red',
  requestId: 'r-1'
}

function scene() {
  const written: AuditRecord[] = []
  const logged: (readonly [object, string])[] = []
  const alarm = createAlarm({
    write: record => written.push(record),
    log: { warn: (facts, message) => logged.push([facts, message]) }
  })
  return { alarm, written, logged }
}

t.test(
  'the audit log names the subject as the token does, the threshold, and by which request it was crossed',
  async t => {
    t.strictSame(alarmRecord(EXCEEDED), {
      '@timestamp': '2026-01-02T03:04:05.000Z',
      'event.dataset': 'tollgate.audit',
      'event.kind': 'alert',
      'event.action': 'subject.threshold_exceeded',
      'event.reason': 'busy',
      'http.request.id': 'r-1',
      'user.id': 'anna@example.com',
      'organization.id': 'red',
      'tollgate.token.iss': 'https://idp',
      'tollgate.alert.measure': 'requests_per_minute',
      'tollgate.alert.limit': 600,
      'tollgate.alert.value': 601,
      'tollgate.alert.minute': '2026-01-02T03:04:00.000Z'
    })
  }
)

t.test("the operator's log calls the subject as metrics do", async t => {
  const { alarm, logged } = scene()
  alarm(EXCEEDED)
  t.strictSame(logged, [
    [
      { threshold: 'busy', requests_per_minute: 601, limit: 600, team: 'red', sub: 'f00d' },
      'a subject is over a threshold'
    ]
  ])
})

t.test("a thousand subjects at once do not fill the operator's log; the audit log has them all", async t => {
  const { alarm, written, logged } = scene()
  for (let i = 0; i < 1_000; i++) alarm(EXCEEDED)
  t.equal(written.length, 1_000)
  t.equal(logged.length, 21)
  t.match(logged.at(-1)?.[1], /audit log/)
  alarm({ ...EXCEEDED, minuteAtMs: EXCEEDED.minuteAtMs + 60_000 })
  t.equal(logged.length, 22, 'the next minute has lines of its own')
})
