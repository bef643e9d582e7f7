import type { ClaimedLimits } from '../exchange.ts'
import { type Ms, msFromSec, type Sec } from '../time.ts'
import type { ClaimPath, IssuerOptions } from './options.ts'
import { invalid } from './reasons.ts'
import { isObject, type JsonObject } from './strict-json.ts'

/** The claims of a token, each judged, in the gate's own words. */
export interface Claims {
  readonly sub: string
  readonly team: string | null
  readonly role: string | null
  readonly scopes: ReadonlySet<string>
  readonly iatSec: Sec
  readonly expSec: Sec
  readonly nbfSec: Sec | null
  readonly jti: string | null
  /** Null when the token says nothing of limits, or nobody has said where. */
  readonly limits: ClaimedLimits | null
}

const SUBJECT = /^[^\p{Cc}]{1,256}$/u
const TEAM = /^[A-Za-z0-9_.:-]{1,64}$/
/** RFC 6749 section 3.3. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+$/
const MAX_SCOPES = 512
/** Tokens that say something, but open nothing: refused even where the configuration lists them. */
const NEVER_ACCESS: ReadonlySet<string> = new Set([
  'dpop+jwt',
  'logout+jwt',
  'secevent+jwt',
  'kb+jwt',
  'id+jwt',
  'oauth-authz-req+jwt',
  'token-introspection+jwt',
  'client-authentication+jwt'
])
/** Claims that only an ID token (OpenID Connect Core section 3.3.2.11) or a security event (RFC 8417) carries. */
const NEVER_IN_ACCESS = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events']

/**
 * Judges the claims of a token for its issuer. Runs before the signature is verified, only to refuse early;
 * what it returns may be believed only after.
 *
 * @param typ the header's `typ`
 * @throws TOLLGATE_AUTHENTICATE_INVALID
 * @see RFC 7519 section 4.1, RFC 8725 section 3
 */
export function readClaims(claims: JsonObject, typ: string | null, issuer: IssuerOptions, nowMs: Ms): Claims {
  checkType(claims, typ, issuer.types)
  checkAudience(claims.aud, issuer.audiences)
  const times = readTimes(claims, issuer, nowMs)
  // Bound to a key that the caller would have to prove: taking it as a plain bearer would undo that (RFC 9449, RFC 8705).
  if (Object.hasOwn(claims, 'cnf')) throw invalid('cnf')
  for (const name of ['client_id', 'azp']) optionalText(own(claims, name), SUBJECT)
  const sub = at(claims, issuer.claims.subject)
  if (typeof sub !== 'string' || !SUBJECT.test(sub)) throw invalid('claims')
  return {
    sub,
    team: optionalText(at(claims, issuer.claims.team), TEAM),
    role: optionalText(at(claims, issuer.claims.role), SUBJECT),
    scopes: readScopes(claims, issuer.claims.scopes),
    jti: optionalText(own(claims, 'jti'), SUBJECT),
    limits: issuer.claims.limits === null ? null : readLimits(at(claims, issuer.claims.limits)),
    ...times
  }
}

function checkType(claims: JsonObject, typ: string | null, types: readonly string[]): void {
  const plain = typ === null ? 'jwt' : plainType(typ)
  if (NEVER_ACCESS.has(plain) || !types.some(type => plainType(type) === plain)) throw invalid('typ_rejected')
  // An ID token says who logged in; it opens nothing (RFC 8725 section 3.11).
  if (NEVER_IN_ACCESS.some(name => Object.hasOwn(claims, name))) throw invalid('typ_rejected')
}

function plainType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '')
}

function checkAudience(aud: unknown, audiences: readonly string[]): void {
  const named = typeof aud === 'string' ? [aud] : aud
  if (!Array.isArray(named) || !named.every(name => typeof name === 'string')) throw invalid('audience')
  if (!named.some(name => audiences.includes(name))) throw invalid('audience')
}

function readTimes(claims: JsonObject, issuer: IssuerOptions, nowMs: Ms) {
  const { clockSkewMs, maxLifetimeMs } = issuer
  const expSec = readNumericDate(claims.exp)
  const iatSec = readNumericDate(claims.iat)
  const nbfSec = claims.nbf === undefined ? null : readNumericDate(claims.nbf)
  if (msFromSec(expSec) <= nowMs) throw invalid('expired')
  if (nbfSec !== null && msFromSec(nbfSec) > nowMs + clockSkewMs) throw invalid('not_yet_valid')
  if (msFromSec(iatSec) > nowMs + clockSkewMs) throw invalid('issued_in_future')
  // The skew is between two clocks: one that has written all of a token does not contradict itself.
  if (iatSec > expSec || (nbfSec !== null && nbfSec > expSec)) throw invalid('lifetime')
  // Both ways, so that neither a late `iat` nor a missing one buys time.
  const longestMs = maxLifetimeMs + clockSkewMs
  if (msFromSec(expSec - iatSec) > longestMs || msFromSec(expSec) - nowMs > longestMs) throw invalid('lifetime')
  return { expSec, iatSec, nbfSec }
}

/** RFC 7519 section 2: seconds, perhaps with a fraction. */
function readNumericDate(value: unknown): Sec {
  if (typeof value !== 'number' || !(value > 0) || value > Number.MAX_SAFE_INTEGER / 1000) throw invalid('claims')
  return value
}

function readScopes(claims: JsonObject, paths: readonly ClaimPath[]): ReadonlySet<string> {
  const scopes = new Set<string>()
  for (const path of paths) {
    const value = at(claims, path)
    if (value === undefined) continue
    const list = typeof value === 'string' ? value.split(' ').filter(word => word !== '') : value
    if (!Array.isArray(list)) throw invalid('claims')
    for (const scope of list) {
      if (typeof scope !== 'string' || !SCOPE.test(scope)) throw invalid('claims')
      scopes.add(scope)
    }
  }
  if (scopes.size > MAX_SCOPES) throw invalid('claims')
  return scopes
}

/** A claim that is there and cannot be read limits nothing, which nobody can have meant: such a token is refused. */
function readLimits(value: unknown): ClaimedLimits | null {
  if (value === undefined) return null
  if (!isObject(value)) throw invalid('claims')
  const count = (name: string) => {
    const one = own(value, name)
    if (one === undefined) return null
    if (typeof one !== 'number' || !Number.isSafeInteger(one) || one < 1) throw invalid('claims')
    return one
  }
  return { rpm: count('rpm'), tpm: count('tpm'), concurrent: count('concurrent') }
}

function optionalText(value: unknown, pattern: RegExp): string | null {
  if (value === undefined) return null
  if (typeof value !== 'string' || !pattern.test(value)) throw invalid('claims')
  return value
}

/** Follows a path by own members alone: `__proto__` and `constructor` lead nowhere. */
function at(claims: JsonObject, path: ClaimPath): unknown {
  let value: unknown = claims
  for (const segment of path) {
    if (!isObject(value)) return undefined
    value = own(value, segment)
  }
  return value
}

function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}
