import type { Operator } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { AuditRecord } from './record.ts'

/** What an operator has revoked, or lifted. */
export interface RevokedFacts {
  /** Null for what a file names. */
  readonly id: string | null
  readonly kind: string
  readonly iss: string | null
  readonly value: string
  readonly beforeMs: Ms | null
  readonly cutStreams: boolean | null
  readonly reason: string | null
}

/** The line of the audit log of a revocation: who, what and why. */
export function revokedRecord(
  action: 'token.revoke' | 'token.revoke.lift',
  of: RevokedFacts,
  who: Operator,
  atMs: Ms
): AuditRecord {
  return {
    '@timestamp': new Date(atMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.kind': 'event',
    'event.action': action,
    'event.reason': of.reason,
    'source.ip': who.address,
    'tollgate.operator': who.by,
    'tollgate.revocation.id': of.id,
    'tollgate.revocation.kind': of.kind,
    'tollgate.revocation.value': of.value,
    'tollgate.revocation.issued_before': of.beforeMs === null ? null : new Date(of.beforeMs).toISOString(),
    'tollgate.revocation.cut_streams': of.cutStreams,
    'tollgate.token.iss': of.iss
  }
}
