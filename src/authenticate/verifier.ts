import { hash } from 'node:crypto'
import { compactVerify, errors } from 'jose'
import { GateError } from '../errors.ts'
import type { Identity } from '../exchange.ts'
import { type Ms, msFromSec, type NowMs } from '../time.ts'
import { Turns } from '../turns.ts'
import { type Claims, readClaims } from './claims.ts'
import type { VerifyKey } from './jwk.ts'
import { isCompact, MAX_TOKEN_CHARS, readUnverified } from './jws.ts'
import type { KeySet } from './keys.ts'
import type { AuthenticateOptions, IssuerOptions } from './options.ts'
import { invalid, type Reason } from './reasons.ts'
import { type CacheStats, TokenCache } from './token-cache.ts'

/** What the memory of tokens has counted so far. */
export type AuthStats = Readonly<CacheStats>

/** Turns a token into its principal. */
export interface Verifier {
  /**
   * Returns at once for a token that is remembered, else a promise.
   *
   * @param address what turns to verify are shared by: forged tokens of one address do not hold up those of others
   * @throws (or rejects with) TOLLGATE_AUTHENTICATE_INVALID, its reason in `detail`
   * @throws (or rejects with) TOLLGATE_AUTHENTICATE_KEYS when the issuer's keys are not to be had
   * @throws (or rejects with) TOLLGATE_AUTHENTICATE_OVERLOADED when too much is to be done to verify one more
   */
  verify(token: string, address?: string): Identity | Promise<Identity>
  /** Whether this very token was verified before and nothing that is known speaks against it. Verifies nothing. */
  hasVerified(token: string): boolean
  /**
   * Looks again at a principal of a session that goes on: whether its token is good at this moment.
   * @throws TOLLGATE_AUTHENTICATE_ENDED when the token has expired or the key that vouched for it has gone
   * @throws TOLLGATE_AUTHENTICATE_REVOKED when it was revoked
   */
  recheck(identity: Identity): void
  readonly stats: AuthStats
  /** How many verified tokens are remembered. */
  readonly remembered: number
}

/** What the verifier is given. */
export interface VerifierDeps {
  readonly keySets: ReadonlyMap<string, KeySet>
  readonly nowMs: NowMs
  /** Whether the gate has too much to do for tokens that it does not remember. */
  readonly isOverloaded: () => boolean
  /** The id of what revokes a principal, or null. Asked on every use, so it has to be quick. */
  readonly revokedBy?: ((identity: Identity) => string | null) | undefined
  /** Told how long a token took: one that is remembered as good, or one that was verified, whatever came of it. */
  readonly onVerified?: ((path: 'cache' | 'verify', tookMs: Ms) => void) | undefined
}

/** More than the thread pool has threads; what is handed to it is served in its order, whoever it is of. */
const MAX_RUNNING = 16
/** With those that run 1088: half a second of work. */
const MAX_WAITING = 1_072
/** Refusals that hang on the moment, or on keys that may yet come, are not remembered. */
const FORGOTTEN: ReadonlySet<unknown> = new Set([
  'unknown_kid',
  'not_yet_valid',
  'issued_in_future',
  'lifetime',
  'too_long',
  'revoked'
])

/** Makes the verifier of a configuration. The order of its steps is RFC 8725's: cheap refusals first, then the signature. */
export function createVerifier(options: AuthenticateOptions, deps: VerifierDeps): Verifier {
  const { keySets, nowMs, isOverloaded, onVerified, revokedBy = () => null } = deps
  const issuers = new Map(options.issuers.map(issuer => [issuer.issuer, issuer]))
  const maxSkewMs = Math.max(0, ...options.issuers.map(issuer => issuer.clockSkewMs))
  const cache = new TokenCache(options.cache)
  const turns = new Turns({ atOnce: MAX_RUNNING, waiting: MAX_WAITING })
  const vouchers = new WeakMap<Identity, { readonly keySet: KeySet; readonly thumbprint: string }>()
  const inFlight = new Map<string, Promise<Identity>>()
  let latestMs: Ms = 0

  function verify(token: string, address = ''): Identity | Promise<Identity> {
    if (token.length > MAX_TOKEN_CHARS) throw invalid('too_long')
    const askedAtMs = performance.now()
    const now = lookAtClock()
    const key = hash('sha256', token, 'base64url')
    const known = cache.get(key, now)
    if (known !== null) {
      onVerified?.('cache', performance.now() - askedAtMs)
      demandUnrevoked(known)
      return known
    }
    // After the look-up, which holds nothing but verified tokens: a hit need not pay for it.
    if (!isCompact(token)) throw invalid('malformed')
    const reason = cache.getRefusal(key, now)
    if (reason !== null) throw invalid(reason)

    let running = inFlight.get(key)
    if (running === undefined) {
      if (isOverloaded()) throw new GateError('TOLLGATE_AUTHENTICATE_OVERLOADED')
      running = verifyAnew(token, key, address).finally(() => {
        inFlight.delete(key)
        onVerified?.('verify', performance.now() - askedAtMs)
      })
      inFlight.set(key, running)
    }
    return running
  }

  function hasVerified(token: string): boolean {
    return token.length <= MAX_TOKEN_CHARS && cache.has(hash('sha256', token, 'base64url'), lookAtClock())
  }

  function lookAtClock(): Ms {
    const now = nowMs()
    if (now > latestMs) latestMs = now
    else if (now < latestMs - maxSkewMs) {
      // A clock that was set back, at once or little by little, makes every remembered time doubtful.
      cache.flush()
      latestMs = now
    }
    return now
  }

  async function verifyAnew(token: string, key: string, address: string): Promise<Identity> {
    const { generation } = cache
    // What a refusal hangs on: when the token expires, and the keys as they were before they were asked for.
    let expMs: Ms | null = null
    let keysThen: { readonly keySet: KeySet; readonly version: number } | null = null
    try {
      const { header, claims } = readUnverified(token)
      const issuer = typeof claims.iss === 'string' ? issuers.get(claims.iss) : undefined
      const keySet = issuer === undefined ? undefined : keySets.get(issuer.issuer)
      if (issuer === undefined || keySet === undefined) throw invalid('unknown_issuer')
      if (!issuer.algorithms.includes(header.alg))
        throw invalid('alg_rejected', isNone(header.alg) ? { alg: 'none' } : {})
      expMs = typeof claims.exp === 'number' ? msFromSec(claims.exp) : null
      const read = readClaims(claims, header.typ, issuer, nowMs())
      keysThen = { keySet, version: keySet.version }
      const candidates = await keySet.find(header.kid, header.alg)
      const signer = await findSigner({ token, alg: header.alg, address }, candidates, issuer)
      // Time has passed while keys were fetched: a token must be good at the end, not only at the start.
      const now = nowMs()
      if (msFromSec(read.expSec) <= now) throw invalid('expired')
      if (!keySet.isActive(signer.thumbprint, now)) throw invalid('unknown_kid')
      const identity = principal(issuer, read, signer.kid ?? header.kid, header.alg, key)
      // With no turn of the event loop before it is remembered: what comes later is seen by every use.
      demandUnrevoked(identity)
      vouchers.set(identity, { keySet, thumbprint: signer.thumbprint })
      const nbfMs = read.nbfSec === null ? null : msFromSec(read.nbfSec)
      const { maxLifetimeMs, clockSkewMs } = issuer
      cache.put(
        key,
        { identity, nbfMs, keySet, thumbprint: signer.thumbprint, maxLifetimeMs, clockSkewMs },
        now,
        generation
      )
      return identity
    } catch (err) {
      const refused = reasonOf(err)
      if (refused !== null && !FORGOTTEN.has(refused)) {
        const keys = refused === 'bad_signature' ? keysThen : null
        cache.putRefusal(key, { reason: refused, expMs, keys }, nowMs(), generation)
      }
      throw err
    }
  }

  async function findSigner(
    { token, alg, address }: { readonly token: string; readonly alg: string; readonly address: string },
    keys: readonly VerifyKey[],
    issuer: IssuerOptions
  ): Promise<VerifyKey> {
    for (const key of keys) {
      const isSigner = await turns.run(() => isSignedBy(token, alg, key), address)
      if (isSigner === null) throw new GateError('TOLLGATE_AUTHENTICATE_OVERLOADED', { issuer: issuer.name })
      if (isSigner) return key
    }
    throw invalid('bad_signature')
  }

  function demandUnrevoked(identity: Identity): void {
    const revocation = revokedBy(identity)
    if (revocation === null) return
    throw new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: 'revoked', revocation })
  }

  function recheck(identity: Identity): void {
    const now = nowMs()
    const voucher = vouchers.get(identity)
    const isGood = voucher?.keySet.isActive(voucher.thumbprint, now) === true && now < msFromSec(identity.expSec)
    if (!isGood) throw new GateError('TOLLGATE_AUTHENTICATE_ENDED')
    const revocation = revokedBy(identity)
    if (revocation !== null) throw new GateError('TOLLGATE_AUTHENTICATE_REVOKED', { reason: 'revoked', revocation })
  }

  return {
    verify,
    hasVerified,
    recheck,
    stats: cache.stats,
    get remembered() {
      return cache.size
    }
  }
}

/** No library makes such a token by mistake, so that it is told apart (RFC 8725 section 2.1). */
function isNone(alg: string): boolean {
  return alg.toLowerCase() === 'none'
}

async function isSignedBy(token: string, alg: string, { key }: VerifyKey): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [alg] })
    return true
  } catch (err) {
    // Whatever jose has against a token is the token's fault; anything else is ours and must not look like that.
    if (err instanceof errors.JOSEError) return false
    throw err
  }
}

function principal(issuer: IssuerOptions, claims: Claims, kid: string | null, alg: string, key: string): Identity {
  return Object.freeze({
    iss: issuer.issuer,
    sub: claims.sub,
    team: claims.team,
    scopes: claims.scopes,
    role: claims.role,
    iatSec: claims.iatSec,
    expSec: claims.expSec,
    jti: claims.jti,
    kid,
    alg,
    ...(claims.limits === null ? {} : { limits: claims.limits }),
    fingerprint: Buffer.from(key, 'base64url').toString('hex', 0, 8)
  })
}

function reasonOf(err: unknown): Reason | null {
  return err instanceof GateError && err.code === 'TOLLGATE_AUTHENTICATE_INVALID' ? (err.detail.reason as Reason) : null
}
