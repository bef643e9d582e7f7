import { MAX_AGE_SEC, MAX_TTL_MS } from '../mint/options.ts'
import { msFromSec } from '../time.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import type { Finding, Path } from './faults.ts'
import { error, type Loose, listOf, mapOf, warning } from './loose.ts'

/** So far clocks may differ. */
const SKEW_MS = 30_000
/** A set of keys has 64 at most; some stand by to sign. */
const MAX_RETIRED = 48

/** What the mint answers, and how long its tokens live. */
export function checkMint(root: Loose): Finding[] {
  if (root.mint === undefined) return []
  const { ttl } = mapOf(root.mint)
  const isLong = typeof ttl === 'string' && DURATION_PATTERN.test(ttl) && readDurationMs(ttl) > MAX_TTL_MS
  return [
    ...(isLong ? [error('E366', ['mint', 'ttl'], 'tokens of the gate live for an hour at most')] : []),
    ...listOf(mapOf(root.access).routes).flatMap((item, index) => {
      const { path } = mapOf(item)
      if (path !== '/login' && path !== '/token') return []
      return [error('E367', ['access', 'routes', index, 'path'], `${path} is answered by the gate itself`)]
    })
  ]
}

/** Somebody has to be believed, each by one name, and keys have to follow each other so that no token is lost. */
export function checkMintKeys(root: Loose): Finding[] {
  const issuers = listOf(root.issuers)
  if (root.mint === undefined) {
    if (root.issuers === undefined)
      return [{ code: 'E202', path: [], at: 'key', message: 'the file needs the key "issuers", or a "mint"' }]
    const isEmpty = Array.isArray(root.issuers) && issuers.length === 0
    return isEmpty ? [{ code: 'E205', path: ['issuers'], at: 'key', message: 'issuers must not be empty' }] : []
  }
  const mint = mapOf(root.mint)
  const findings = issuers.flatMap((item, index) =>
    typeof mint.issuer === 'string' && mapOf(item).issuer === mint.issuer
      ? [
          error(
            'E350',
            ['issuers', index, 'issuer'],
            'this is the issuer of the gate itself, by mint.issuer',
            'leave it out here'
          )
        ]
      : []
  )
  if (typeof mint.issuer === 'string' && /[?#]/.test(mint.issuer)) {
    findings.push(error('E351', ['mint', 'issuer'], 'an issuer has neither a query nor a fragment'))
  }
  return [...findings, ...checkTimes(mint)]
}

function checkTimes(mint: Loose): Finding[] {
  const keys = mapOf(mint.keys)
  const rotateMs = msOf(keys.rotate, '30d')
  const waitMs = msOf(keys.wait, '15m')
  const keepMs = msOf(keys.keep, '65m')
  const askedMs = msOf(mint.ttl, '15m')
  if (rotateMs === null || waitMs === null || keepMs === null || askedMs === null) return []
  // One that is too long has its fault already.
  const ttlMs = Math.min(askedMs, MAX_TTL_MS)
  const at = (key: string): Path => ['mint', 'keys', key]
  const findings: Finding[] = []
  if (waitMs < 500) findings.push(error('E352', at('wait'), 'gates need half a second at least to read a new key'))
  if (rotateMs <= waitMs)
    findings.push(error('E352', at('rotate'), 'a key has to sign for longer than the next one waits'))
  if (keepMs < ttlMs)
    findings.push(error('E353', at('keep'), 'keys would be gone before their tokens, which live for mint.ttl'))
  if (keepMs / rotateMs > MAX_RETIRED) {
    findings.push(
      error('E353', at('keep'), `more than ${MAX_RETIRED} keys would stand in the set`, 'rotate less often')
    )
  }
  if (waitMs < msFromSec(MAX_AGE_SEC) || (keepMs >= ttlMs && keepMs < ttlMs + SKEW_MS)) {
    const message =
      'for trials alone: whoever remembers the set for its 5m, or has a clock that differs, refuses good tokens'
    findings.push(warning('W418', at(waitMs < msFromSec(MAX_AGE_SEC) ? 'wait' : 'keep'), message))
  }
  return findings
}

function msOf(text: unknown, otherwise: string): number | null {
  if (text === undefined) return readDurationMs(otherwise)
  return typeof text === 'string' && DURATION_PATTERN.test(text) ? readDurationMs(text) : null
}
