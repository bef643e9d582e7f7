import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import type { Finding } from './faults.ts'
import { error, type Loose, mapOf } from './loose.ts'

/** A limit of one address above the limit of all addresses says nothing. */
export function checkConnections(root: Loose): Finding[] {
  const [one, all] = [mapOf(root.clients).max_connections, mapOf(root.server).max_connections]
  if (typeof one !== 'number' || typeof all !== 'number' || one <= all) return []
  const hint = 'lower it, or raise server.max_connections'
  return [
    error(
      'E326',
      ['clients', 'max_connections'],
      `one address may hold ${one}, all together ${all} (server.max_connections)`,
      hint
    )
  ]
}

/** A first ban that is longer than the longest, or lasts no time, is not what anybody means. */
export function checkBans(bans: Loose): Finding[] {
  const msOf = (name: string, otherwise: string) => {
    const text = bans[name] ?? otherwise
    return typeof text === 'string' && DURATION_PATTERN.test(text) ? readDurationMs(text) : null
  }
  const [forMs, maxMs, withinMs] = [msOf('for', '10m'), msOf('max', '24h'), msOf('within', '10m')]
  const findings: Finding[] = []
  if (forMs === 0) findings.push(error('E321', ['clients', 'bans', 'for'], 'a ban has to last for some time'))
  if (withinMs === 0)
    findings.push(error('E321', ['clients', 'bans', 'within'], 'failures have to be counted for some time'))
  if (forMs !== null && maxMs !== null && forMs > maxMs) {
    const at = bans.max === undefined ? 'for' : 'max'
    findings.push(
      error('E320', ['clients', 'bans', at], 'the first ban ("for") would be longer than the longest ("max")')
    )
  }
  return findings
}
