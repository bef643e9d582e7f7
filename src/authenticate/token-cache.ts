import { LRUCache } from 'lru-cache'
import type { Identity } from '../exchange.ts'
import { type Ms, msFromSec } from '../time.ts'
import type { KeySet } from './keys.ts'
import type { Reason } from './reasons.ts'

/** What is remembered of a token that was verified. */
interface Positive {
  readonly identity: Identity
  /** Answered with until then; */
  readonly untilMs: Ms
  /** known as one that was good until then, when it has to be verified again. */
  readonly lapsesMs: Ms
  /** Not before this, which matters only when the clock is set back. */
  readonly fromMs: Ms
  readonly keySet: KeySet
  readonly thumbprint: string
}

/** What is remembered of a token that can never be good, or not before its issuer's keys change. */
interface Negative extends Refusal {
  readonly fromMs: Ms
  readonly untilMs: Ms
}

/** A refusal that would come out the same way again. */
export interface Refusal {
  readonly reason: Reason
  /** When the token expires, or null when that was not read: from then on the reason would be another. */
  readonly expMs: Ms | null
  /** It holds for these keys alone, as they were when the verification began; null when it hangs on no key. */
  readonly keys: { readonly keySet: Pick<KeySet, 'version'>; readonly version: number } | null
}

/** Counters for metrics. */
export interface CacheStats {
  hits: number
  misses: number
  negativeHits: number
  evictions: number
  refusedInserts: number
  rotationDrops: number
}

const MAX_NEGATIVES = 10_000
const NEGATIVE_TTL_MS: Ms = 45_000

/**
 * Remembers verified tokens until they expire, so that a signature is checked once.
 *
 * Keyed by the SHA-256 of the exact token: a heap dump holds no usable bearer. An entry lives for
 * min(exp − now, iat + longest lifetime − now, `maxTtlMs`), is never extended, and dies with the key that vouched for
 * it. What outlives `maxTtlMs` alone is no answer any more, but still tells that the token was good once. The wall clock decides, on every use. Refused tokens are remembered apart and briefly, so that garbage
 * cannot push out good ones. Remembers who, never what they may do.
 */
export class TokenCache {
  readonly stats: CacheStats = {
    hits: 0,
    misses: 0,
    negativeHits: 0,
    evictions: 0,
    refusedInserts: 0,
    rotationDrops: 0
  }
  /** Changes whenever what is being verified may no longer be remembered. */
  generation = 0
  readonly #maxTtlMs: Ms
  readonly #positives: LRUCache<string, Positive>
  readonly #negatives = new LRUCache<string, Negative>({ max: MAX_NEGATIVES })

  constructor(options: { readonly maxEntries: number; readonly maxTtlMs: Ms }) {
    this.#maxTtlMs = options.maxTtlMs
    this.#positives = new LRUCache({
      max: options.maxEntries,
      disposeAfter: (_entry, _key, why) => {
        if (why === 'evict') this.stats.evictions++
      }
    })
  }

  /** How many verified tokens are remembered. */
  get size(): number {
    return this.#positives.size
  }

  /** The principal of a token that is remembered and still good, or null. */
  get(key: string, nowMs: Ms): Identity | null {
    const entry = this.#positives.get(key)
    if (entry === undefined) {
      this.stats.misses++
      return null
    }
    if (nowMs < entry.untilMs && nowMs >= entry.fromMs) {
      if (entry.keySet.isActive(entry.thumbprint, nowMs)) {
        this.stats.hits++
        return entry.identity
      }
      this.stats.rotationDrops++
    }
    if (!isStillKnown(entry, nowMs)) this.#positives.delete(key)
    this.stats.misses++
    return null
  }

  /** Whether the token was verified before, and neither its time nor its key has gone since. */
  has(key: string, nowMs: Ms): boolean {
    const entry = this.#positives.peek(key)
    return entry !== undefined && isStillKnown(entry, nowMs)
  }

  /** Why a token is known to be bad, or null. */
  getRefusal(key: string, nowMs: Ms): Reason | null {
    const entry = this.#negatives.get(key)
    if (entry === undefined) return null
    const isCurrent = entry.keys === null || entry.keys.keySet.version === entry.keys.version
    if (isCurrent && nowMs < entry.untilMs && nowMs >= entry.fromMs) {
      this.stats.negativeHits++
      return entry.reason
    }
    this.#negatives.delete(key)
    return null
  }

  /** @param generation as it was when the verification began: after a flush, nothing from before it comes in */
  put(
    key: string,
    of: {
      readonly identity: Identity
      readonly nbfMs: Ms | null
      readonly keySet: KeySet
      readonly thumbprint: string
      readonly maxLifetimeMs: Ms
      readonly clockSkewMs: Ms
    },
    nowMs: Ms,
    generation: number
  ): void {
    const { identity } = of
    const expMs = msFromSec(identity.expSec)
    const iatMs = msFromSec(identity.iatSec)
    const lapsesMs = Math.min(expMs, iatMs + of.maxLifetimeMs + of.clockSkewMs)
    const ttlMs = Math.floor(Math.min(lapsesMs - nowMs, this.#maxTtlMs))
    if (generation !== this.generation || !Number.isSafeInteger(ttlMs) || ttlMs <= 0) {
      this.stats.refusedInserts++
      return
    }
    // What would be refused as not yet valid without the cache is refused with it.
    const fromMs = Math.max(of.nbfMs ?? 0, iatMs, expMs - of.maxLifetimeMs) - of.clockSkewMs
    const { keySet, thumbprint } = of
    this.#positives.set(key, { identity, untilMs: nowMs + ttlMs, lapsesMs, fromMs, keySet, thumbprint })
  }

  /** @param generation as it was when the verification began */
  putRefusal(key: string, refusal: Refusal, nowMs: Ms, generation: number): void {
    if (generation !== this.generation) return
    const lastMs = nowMs + NEGATIVE_TTL_MS
    const { expMs } = refusal
    const untilMs = expMs !== null && expMs > nowMs ? Math.min(lastMs, expMs) : lastMs
    // With a clock that was set back since, the token is judged anew.
    this.#negatives.set(key, { ...refusal, fromMs: nowMs, untilMs })
  }

  /** Forgets everything, and what is being verified right now too. */
  flush(): void {
    this.generation++
    this.#positives.clear()
    this.#negatives.clear()
  }
}

function isStillKnown({ lapsesMs, fromMs, keySet, thumbprint }: Positive, nowMs: Ms): boolean {
  return nowMs < lapsesMs && nowMs >= fromMs && keySet.isActive(thumbprint, nowMs)
}
