import { isIP } from 'node:net'
import { isServiceName } from '../resolve/names.ts'
import { isServerAddress } from '../resolve/options.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import type { Finding, Path } from './faults.ts'
import { error, type Loose, listOf, mapOf } from './loose.ts'

/** Name servers are addresses; times fit together, and none of them is so short that nothing could be done in it. */
export function checkResolver(root: Loose): Finding[] {
  const resolver = mapOf(root.resolver)
  const findings: Finding[] = []
  for (const [index, server] of listOf(resolver.servers).entries()) {
    if (typeof server !== 'string' || isServerAddress(server)) continue
    const hint = 'an IP address such as 10.96.0.10, 10.96.0.10:53 or [fd00::10]:53'
    findings.push(error('E380', ['resolver', 'servers', index], `${server} is no address of a name server`, hint))
  }
  for (const [key, leastMs, least] of [
    ['timeout', 100, '100ms'],
    ['max_ttl', 1_000, '1s'],
    ['negative_ttl', 100, '100ms']
  ] as const) {
    findings.push(...tooShort(resolver[key], leastMs, least, ['resolver', key]))
  }
  const [minMs, maxMs] = [durationOf(resolver.min_ttl), durationOf(resolver.max_ttl)]
  if (minMs !== null && minMs > (maxMs ?? 60_000)) {
    const max = maxMs === null ? 'the default of max_ttl, 1m' : `max_ttl, ${String(resolver.max_ttl)}`
    findings.push(
      error(
        'E381',
        ['resolver', 'min_ttl'],
        `${String(resolver.min_ttl)} is longer than ${max}`,
        'a longer max_ttl, or a shorter min_ttl'
      )
    )
  }
  for (const [name, pool] of Object.entries(mapOf(root.pools))) {
    const { max_connection_duration: age } = mapOf(mapOf(pool).timeouts)
    for (const [index, target] of listOf(mapOf(pool).targets).entries()) {
      findings.push(...checkTarget(target, ['pools', name, 'targets', index]))
    }
    findings.push(...tooShort(age, 1_000, '1s', ['pools', name, 'timeouts', 'max_connection_duration']))
  }
  return findings
}

/** Only names have several addresses, and only service names have ports of their own. */
function checkTarget(target: unknown, at: Path): Finding[] {
  const { url, resolve } = typeof target === 'string' ? { url: target, resolve: undefined } : mapOf(target)
  if (typeof url !== 'string' || !URL.canParse(url)) return []
  const { hostname, port } = new URL(url)
  const isAll = resolve === 'all'
  if (isAll && isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) {
    return [
      error('E383', [...at, 'resolve'], `${hostname} is one address and no name`, 'leave resolve out, or give a name')
    ]
  }
  if (!isServiceName(hostname)) return []
  const place = typeof target === 'string' ? at : [...at, 'url']
  if (!isAll)
    return [
      error('E383', place, `${hostname} is the name of a service`, 'add resolve: all, which asks for its SRV records')
    ]
  return port === ''
    ? []
    : [error('E383', place, `the port ${port} is not used: SRV records say it`, 'leave the port out')]
}

function tooShort(value: unknown, leastMs: number, least: string, at: Path): Finding[] {
  const ms = durationOf(value)
  return ms === null || ms >= leastMs ? [] : [error('E382', at, `${String(value)} is too short`, `${least} or more`)]
}

function durationOf(value: unknown): number | null {
  return typeof value === 'string' && DURATION_PATTERN.test(value) ? readDurationMs(value) : null
}
