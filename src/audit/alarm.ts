import type { Ms } from '../time.ts'
import type { AuditRecord } from './record.ts'

/** A subject that did more in a minute than a threshold of the operator says. */
export interface Exceeded {
  readonly threshold: string
  readonly measure: 'requests_per_minute' | 'tokens_per_minute'
  readonly limit: number
  readonly value: number
  readonly minuteAtMs: Ms
  readonly atMs: Ms
  readonly iss: string
  readonly sub: string
  /** What the operator's log calls the subject. */
  readonly shown: string
  readonly team: string | null
  readonly requestId: string
}

/** More lines in a minute of the clock would drown what else the operator's log says. */
const MAX_LOGGED = 20

/**
 * Makes what tells of subjects over a threshold: a line of the audit log for each, with the subject as the token has it, and
 * a line for operators, of which there are at most twenty in a minute.
 */
export function createAlarm(init: {
  readonly write: (record: AuditRecord) => void
  readonly log: { warn(facts: object, message: string): void }
}): (exceeded: Exceeded) => void {
  let minuteAtMs: Ms | null = null
  let logged = 0
  return exceeded => {
    init.write(alarmRecord(exceeded))
    if (exceeded.minuteAtMs !== minuteAtMs) {
      minuteAtMs = exceeded.minuteAtMs
      logged = 0
    }
    if (++logged > MAX_LOGGED) {
      if (logged === MAX_LOGGED + 1) init.log.warn({}, 'more subjects are over a threshold; the audit log has them all')
      return
    }
    const { threshold, measure, limit, value, shown, team } = exceeded
    init.log.warn({ threshold, [measure]: value, limit, team, sub: shown }, 'a subject is over a threshold')
  }
}

/** The line of the audit log. */
export function alarmRecord(exceeded: Exceeded): AuditRecord {
  return {
    '@timestamp': new Date(exceeded.atMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.kind': 'alert',
    'event.action': 'subject.threshold_exceeded',
    'event.reason': exceeded.threshold,
    'http.request.id': exceeded.requestId,
    'user.id': exceeded.sub,
    'organization.id': exceeded.team,
    'tollgate.token.iss': exceeded.iss,
    'tollgate.alert.measure': exceeded.measure,
    'tollgate.alert.limit': exceeded.limit,
    'tollgate.alert.value': exceeded.value,
    'tollgate.alert.minute': new Date(exceeded.minuteAtMs).toISOString()
  }
}
