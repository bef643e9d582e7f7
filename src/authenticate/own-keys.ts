import { type Ms, msFromSec, type NowMs } from '../time.ts'
import { readKeySet, type VerifyKey } from './jwk.ts'
import type { KeySet, KeySetStatus } from './keys.ts'
import { type IssuerOptions, OWN_NAME } from './options.ts'
import { invalid } from './reasons.ts'

/** The keys that the gate itself signs with, in this very process. */
export interface KeysAtHand {
  readonly publicJwks: { readonly keys: readonly object[] }
  /** Grows with every change of the set. */
  readonly version: number
  readonly status: {
    readonly ageMs: Ms
    readonly lastError: string | null
    readonly reads: { readonly done: number; readonly failed: number }
  }
  /** Looks once more whether there are others. Never rejects. */
  reread(): Promise<unknown>
}

/** Looks that tokens with unknown keys may cost: so many at once, then one in a second. */
const BURST = 5
const LOOK_EVERY_MS: Ms = 1_000
/** A folder on another machine may never answer. */
const LOOK_MS: Ms = 2_000

/** The gate's own issuer, judged by the rules of all issuers: what it signs is an access token by RFC 9068 and nothing else. */
export function ownIssuer(of: {
  readonly issuer: string
  readonly audience: string
  readonly maxLifetimeMs: Ms
}): IssuerOptions {
  return {
    name: OWN_NAME,
    issuer: of.issuer,
    keys: { kind: 'own' },
    audiences: [of.audience],
    // Each key names its own; a folder may hold keys of another algorithm than the next one will have.
    algorithms: ['ES256', 'EdDSA', 'RS256'],
    maxLifetimeMs: of.maxLifetimeMs,
    clockSkewMs: msFromSec(30),
    types: ['at+jwt'],
    claims: { team: ['team_id'], subject: ['sub'], role: ['role'], scopes: [['scope']], limits: null },
    refreshEveryMs: msFromSec(2),
    maxStaleMs: 0
  }
}

/**
 * The gate's own keys as a key set: read from memory, never by HTTP. They never go stale, because nobody else could tell
 * anything newer; a key that was taken away is gone with the next look at the folder.
 */
export function createOwnKeys(source: KeysAtHand, { nowMs }: { readonly nowMs: NowMs }): KeySet {
  return new OwnKeys(source, nowMs)
}

class OwnKeys implements KeySet {
  readonly #source: KeysAtHand
  readonly #nowMs: NowMs
  #readVersion: number | null = null
  #keys: readonly VerifyKey[] = []
  #thumbprints: ReadonlySet<string> = new Set()
  #credit = BURST
  #creditAtMs: Ms

  constructor(source: KeysAtHand, nowMs: NowMs) {
    this.#source = source
    this.#nowMs = nowMs
    this.#creditAtMs = nowMs()
  }

  get version(): number {
    return this.#source.version
  }

  async find(kid: string | null, alg: string): Promise<readonly VerifyKey[]> {
    if (kid === null) throw invalid('unknown_kid')
    let found = this.#match(kid, alg)
    // Another gate may sign with a key that this one has not read yet, after an emergency.
    if (found.length === 0 && this.#spend()) {
      await within(LOOK_MS, this.#source.reread())
      found = this.#match(kid, alg)
    }
    if (found.length === 0) throw invalid('unknown_kid')
    return found
  }

  isActive(thumbprint: string): boolean {
    this.#read()
    return this.#thumbprints.has(thumbprint)
  }

  status(): KeySetStatus {
    this.#read()
    const { ageMs, lastError, reads } = this.#source.status
    const kids = this.#keys.map(key => key.kid ?? '(none)')
    return { name: OWN_NAME, ready: true, ageMs, lastError, kids, loads: reads }
  }

  start(): void {}

  ready(): Promise<void> {
    return Promise.resolve()
  }

  close(): void {}

  #match(kid: string, alg: string): readonly VerifyKey[] {
    this.#read()
    return this.#keys.filter(key => key.kid === kid && key.algorithms.has(alg))
  }

  #read(): void {
    const { version, publicJwks } = this.#source
    if (version === this.#readVersion) return
    this.#keys = readKeySet(publicJwks).keys
    this.#thumbprints = new Set(this.#keys.map(key => key.thumbprint))
    this.#readVersion = version
  }

  #spend(): boolean {
    const nowMs = this.#nowMs()
    const earned = Math.max(0, nowMs - this.#creditAtMs) / LOOK_EVERY_MS
    this.#credit = Math.min(BURST, this.#credit + earned)
    this.#creditAtMs = nowMs
    if (this.#credit < 1) return false
    this.#credit -= 1
    return true
  }
}

/** Resolves with the work, or when it takes longer. */
async function within(ms: Ms, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const clock = setTimeout(late.resolve, ms)
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(clock)
  }
}
