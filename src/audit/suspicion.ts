import type { Ms } from '../time.ts'
import type { AuditRecord } from './record.ts'

/** Behaviour that a rule calls suspicious. */
export interface SuspectedEvent {
  readonly kind: string
  readonly action: string
  /** What it is about. */
  readonly by: 'address' | 'subject' | 'token'
  readonly value: number
  readonly withinMs: Ms
  readonly atMs: Ms
  readonly client: { readonly ip: string; readonly peerIp: string; readonly key: string }
  readonly identity: {
    readonly iss: string
    readonly sub: string
    readonly team: string | null
    readonly jti: string | null
    readonly fingerprint: string
  } | null
  readonly requestId: string
}

/** More lines in a minute would drown what else the operator's log says. */
const MAX_LOGGED = 20
const MINUTE_MS: Ms = 60_000

/**
 * Makes what tells of suspicious behaviour: a line of the audit log for each, and a line for operators, of which there are at
 * most twenty in a minute of the clock. Neither has anything of a token but its fingerprint.
 * @param shown what the operator's log calls a subject
 */
export function createSuspicionLog(init: {
  readonly write: (record: AuditRecord) => void
  readonly log: { warn(facts: object, message: string): void }
  readonly shown: (sub: string) => string
}): (event: SuspectedEvent) => void {
  let minute: number | null = null
  let logged = 0
  return event => {
    init.write(suspicionRecord(event))
    const now = Math.floor(event.atMs / MINUTE_MS)
    if (now !== minute) {
      minute = now
      logged = 0
    }
    if (++logged > MAX_LOGGED) {
      if (logged === MAX_LOGGED + 1) init.log.warn({}, 'more behaviour is suspicious; the audit log has it all')
      return
    }
    const { kind, action, by, value, client, identity, requestId } = event
    const who =
      identity === null
        ? { client: client.key }
        : {
            client: client.key,
            sub: init.shown(identity.sub),
            team: identity.team,
            ...(by === 'token' ? { token: identity.fingerprint } : {})
          }
    init.log.warn({ kind, action, value, ...who, request: requestId }, 'suspicious behaviour')
  }
}

/** The line of the audit log. */
export function suspicionRecord(event: SuspectedEvent): AuditRecord {
  const { client, identity } = event
  return {
    '@timestamp': new Date(event.atMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.kind': 'alert',
    'event.action': `suspicious.${event.kind}`,
    'event.reason': event.kind,
    'http.request.id': event.requestId,
    'client.ip': client.ip,
    'source.ip': client.peerIp,
    'user.id': identity?.sub ?? null,
    'organization.id': identity?.team ?? null,
    'tollgate.token.iss': identity?.iss ?? null,
    'tollgate.token.jti': identity?.jti ?? null,
    'tollgate.token.fp': identity?.fingerprint ?? null,
    'tollgate.suspicious.action': event.action,
    'tollgate.suspicious.by': event.by,
    'tollgate.suspicious.value': event.value,
    'tollgate.suspicious.within_ms': event.withinMs
  }
}
