import type { GateErrorCode } from '../codes.ts'
import type { Ms } from '../time.ts'
import type { AuditRecord } from './record.ts'

/** The line of the audit log of a connection that ended without a request, for what its caller did. */
export function connectionRecord(
  {
    code,
    address,
    suppressed
  }: {
    readonly code: GateErrorCode
    /** Of the peer; empty when it is not known. */
    readonly address: string
    /** How many of these have no line of their own since the one before. */
    readonly suppressed: number
  },
  atMs: Ms
): AuditRecord {
  return {
    '@timestamp': new Date(atMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.action': 'connection',
    'event.outcome': 'failure',
    'event.reason': code,
    'source.ip': address === '' ? null : address,
    'tollgate.code': code,
    'tollgate.suppressed': suppressed
  }
}
