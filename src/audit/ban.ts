import type { Ban, Operator } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { AuditRecord } from './record.ts'

/** The line of the audit log of a ban that was imposed or lifted by this gate. */
export function banRecord(
  {
    what,
    ban,
    isDry,
    by
  }: {
    readonly what: 'added' | 'lifted'
    readonly ban: Ban
    readonly isDry: boolean
    readonly by: Operator | null
  },
  atMs: Ms
): AuditRecord {
  return {
    '@timestamp': new Date(atMs).toISOString(),
    'event.dataset': 'tollgate.audit',
    'event.kind': 'alert',
    'event.action': what === 'added' ? 'ban.add' : 'ban.remove',
    'event.reason': ban.reason,
    'source.ip': by?.address ?? null,
    'tollgate.operator': by?.by ?? null,
    'client.ip': ban.ip,
    'tollgate.ban.key': ban.key,
    'tollgate.ban.until': new Date(ban.untilMs).toISOString(),
    'tollgate.ban.times': ban.times,
    'tollgate.ban.dry_run': isDry
  }
}
