import type { Ms } from '../time.ts'
import type { AuditRecord } from './record.ts'

/** The line of the audit log of a key of the mint that has come into another state: published, signing, retired, removed. */
export function keyRecord(
  of: {
    readonly kid: string
    readonly alg: string | null
    readonly state: string
    readonly from: string | null
    readonly untilMs: Ms | null
  },
  atMs: Ms
): AuditRecord {
  return {
    '@timestamp': new Date(atMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.kind': 'event',
    'event.action': 'mint.key',
    'tollgate.key.id': of.kid,
    'tollgate.key.alg': of.alg,
    'tollgate.key.state': of.state,
    'tollgate.key.from': of.from,
    'tollgate.key.until': of.untilMs === null ? null : new Date(of.untilMs).toISOString()
  }
}
