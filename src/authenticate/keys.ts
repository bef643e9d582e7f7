import { LRUCache } from 'lru-cache'
import type { Ms, NowMs } from '../time.ts'
import { Turns } from '../turns.ts'
import { keyFromSecret, readKeySet, type VerifyKey } from './jwk.ts'
import { faultOf, type LoadKeys, loaderFor } from './key-source.ts'
import type { IssuerOptions } from './options.ts'
import { invalid, keysUnavailable } from './reasons.ts'

/** The keys of one issuer, kept fresh in the background. */
export interface KeySet {
  /**
   * The keys that may have signed a token; more than one only when the issuer gave two keys one name.
   * May fetch the set once more for a `kid` that is not known, and waits at most two seconds for it.
   *
   * @throws TOLLGATE_AUTHENTICATE_INVALID `unknown_kid`
   * @throws TOLLGATE_AUTHENTICATE_KEYS when there are no keys, or only ones that are too old
   */
  find(kid: string | null, alg: string): Promise<readonly VerifyKey[]>
  /** True while the key stands in the set and the set may still be used. Asked on every use of a cached token. */
  isActive(thumbprint: string, nowMs: Ms): boolean
  /** Grows with every change of the set. */
  readonly version: number
  status(): KeySetStatus
  /** Begins to load in the background and returns at once. */
  start(): void
  /** Resolves when there have been keys once. */
  ready(): Promise<void>
  close(): void
}

/** What an operator wants to know of a key set. */
export interface KeySetStatus {
  readonly name: string
  readonly ready: boolean
  readonly ageMs: Ms | null
  readonly lastError: string | null
  readonly kids: readonly string[]
  /** How often its source was read, and how often that failed; null where there is nothing to read. */
  readonly loads: { readonly done: number; readonly failed: number } | null
}

/** What key sets are given. */
export interface KeySetDeps {
  readonly nowMs: NowMs
  readonly random: () => number
  readonly log: { warn(facts: object, message: string): void; info(facts: object, message: string): void }
}

/** One key set per issuer, by its exact `iss`. A failing one takes nothing from the others. */
export function createKeySets(issuers: readonly IssuerOptions[], deps: KeySetDeps): Map<string, KeySet> {
  // Each issuer loads once at a time, so that is also the most that can wait.
  const fetches = new Turns({ atOnce: MAX_FETCHES, waiting: issuers.length })
  return new Map(issuers.map(options => [options.issuer, new IssuerKeys(options, deps, fetches)]))
}

/** The keys of one issuer. @param fetches bounds how many sets load at once */
export function createKeySet(options: IssuerOptions, deps: KeySetDeps, fetches: Turns): KeySet {
  return new IssuerKeys(options, deps, fetches)
}

const MAX_FETCHES = 4
/** Node's timers end here; a longer one would fire at once, again and again. */
const MAX_TIMER_MS: Ms = 2 ** 31 - 1
const FILE_POLL_MS: Ms = 2_000
const FIRST_BACK_OFF_MS: Ms = 1_000
const MAX_BACK_OFF_MS: Ms = 60_000
const FORCED_EVERY_MS: Ms = 10_000
const FORCED_BURST = 2
const FORCED_WAIT_MS: Ms = 2_000
const MISSING_TTL_MS: Ms = 60_000
const MAX_MISSING = 1_000

class IssuerKeys implements KeySet {
  version = 0
  readonly #options: IssuerOptions
  readonly #deps: KeySetDeps
  readonly #load: LoadKeys | null
  readonly #everyMs: Ms
  readonly #firstKeys = Promise.withResolvers<void>()
  #keys: readonly VerifyKey[] = []
  #thumbprints: ReadonlySet<string> = new Set()
  /** Everything of the keys that a decision may hang on. */
  #outline = ''
  #sourceVersion: string | null = null
  #loadedAtMs: Ms | null = null
  #lastError: string | null = null
  #loadsDone = 0
  #loadsFailed = 0
  #backOffMs = 0
  #loading: Promise<boolean> | null = null
  #clock: NodeJS.Timeout | null = null
  readonly #closed = new AbortController()
  /** Names that a set did not have when it was read for them, and until when that is remembered. */
  readonly #missing = new LRUCache<string, Ms>({ max: MAX_MISSING })
  #forcedCredit = FORCED_BURST
  #forcedCreditAtMs: Ms

  constructor(options: IssuerOptions, deps: KeySetDeps, fetches: Turns) {
    this.#options = options
    this.#deps = deps
    this.#load = loaderFor(options, { fetches })
    this.#everyMs =
      options.keys.kind === 'jwks_file' ? Math.min(options.refreshEveryMs, FILE_POLL_MS) : options.refreshEveryMs
    this.#forcedCreditAtMs = deps.nowMs()
    if (options.keys.kind === 'hs256_secret') this.#take([keyFromSecret(options.keys.secret)])
  }

  async find(kid: string | null, alg: string): Promise<readonly VerifyKey[]> {
    this.#demandUsable()
    const found = this.#match(kid, alg)
    if (found.length > 0) return found
    if (kid === null) throw invalid('unknown_kid')
    return await this.#findAgain(kid, alg)
  }

  isActive(thumbprint: string, nowMs: Ms): boolean {
    return this.#thumbprints.has(thumbprint) && this.#isUsable(nowMs)
  }

  status(): KeySetStatus {
    const nowMs = this.#deps.nowMs()
    return {
      name: this.#options.name,
      ready: this.#isUsable(nowMs),
      ageMs: this.#loadedAtMs === null ? null : nowMs - this.#loadedAtMs,
      lastError: this.#lastError,
      kids: this.#keys.map(key => key.kid ?? '(none)'),
      loads: this.#load === null ? null : { done: this.#loadsDone, failed: this.#loadsFailed }
    }
  }

  start(): void {
    if (this.#load !== null) void this.#refresh()
  }

  ready(): Promise<void> {
    return this.#firstKeys.promise
  }

  close(): void {
    this.#closed.abort()
    if (this.#clock !== null) clearTimeout(this.#clock)
  }

  #match(kid: string | null, alg: string): readonly VerifyKey[] {
    // A shared secret has no name: whatever the token calls it, there is but one.
    const isNamed = kid !== null && this.#load !== null
    const found = this.#keys.filter(key => key.algorithms.has(alg) && (!isNamed || key.kid === kid))
    // Without a name the choice must be plain: trying every key would let a token pick.
    return kid === null && found.length > 1 ? [] : found
  }

  async #findAgain(kid: string, alg: string): Promise<readonly VerifyKey[]> {
    const isKnownMissing = (this.#missing.get(kid) ?? 0) > this.#deps.nowMs()
    const wasRead = !isKnownMissing && (await within(FORCED_WAIT_MS, this.#loadFor(kid, alg)))
    this.#demandUsable()
    const found = this.#match(kid, alg)
    if (found.length > 0) return found
    // A set that could not be refreshed may simply be behind: the token is not to blame.
    if (!this.#isFresh(this.#deps.nowMs())) throw keysUnavailable(this.#options.name, 'stale')
    // Only a set that was read for it can say that it has no such key.
    if (wasRead) this.#missing.set(kid, this.#deps.nowMs() + MISSING_TTL_MS)
    throw invalid('unknown_kid')
  }

  /** K4: one load for many callers, within a budget that failures use up too. True when the set was read anew. */
  async #loadFor(kid: string, alg: string): Promise<boolean> {
    if (this.#load === null) return false
    if (this.#loading !== null) {
      // What is under way may have read the set before the key was in it, so this one does not count.
      await this.#loading
      if (this.#match(kid, alg).length > 0) return false
    }
    if (this.#loading === null && !this.#spendForced(this.#deps.nowMs())) return false
    return await this.#refresh()
  }

  #spendForced(nowMs: Ms): boolean {
    const earned = Math.max(0, nowMs - this.#forcedCreditAtMs) / FORCED_EVERY_MS
    this.#forcedCredit = Math.min(FORCED_BURST, this.#forcedCredit + earned)
    this.#forcedCreditAtMs = nowMs
    if (this.#forcedCredit < 1) return false
    this.#forcedCredit -= 1
    return true
  }

  /** Resolves, never rejects: true when the source answered. */
  #refresh(): Promise<boolean> {
    this.#loading ??= this.#loadOnce().finally(() => {
      this.#loading = null
    })
    return this.#loading
  }

  async #loadOnce(): Promise<boolean> {
    if (this.#load === null) return false
    if (this.#clock !== null) clearTimeout(this.#clock)
    let nextMs = this.#everyMs * (0.9 + 0.2 * this.#deps.random())
    let isDone = false
    try {
      const loaded = await this.#load(this.#sourceVersion, this.#closed.signal)
      if (loaded.isChanged) this.#read(loaded.jwks, loaded.version)
      nextMs = Math.min(nextMs, loaded.maxAgeMs ?? nextMs)
      this.#loadedAtMs = this.#deps.nowMs()
      this.#lastError = null
      this.#backOffMs = 0
      this.#loadsDone++
      isDone = true
    } catch (err) {
      if (!this.#closed.signal.aborted) nextMs = Math.min(nextMs, this.#backOff(err))
    }
    if (!this.#closed.signal.aborted) {
      this.#clock = setTimeout(() => this.#refresh(), Math.min(nextMs, MAX_TIMER_MS))
      this.#clock.unref()
    }
    return isDone
  }

  #read(jwks: unknown, version: string | null): void {
    const { keys, refused } = readKeySet(jwks)
    if (refused.length > 0) this.#deps.log.warn({ issuer: this.#options.name, refused }, 'keys were left out')
    // An empty set is a mistake of the publisher's more often than a wish: the old one stays.
    if (keys.length === 0) throw new Error('no usable key in the set')
    this.#sourceVersion = version
    this.#take(keys)
  }

  /** One more try at once, then longer and longer. */
  #backOff(err: unknown): Ms {
    this.#lastError = faultOf(err)
    this.#loadsFailed++
    const waitMs = this.#backOffMs
    this.#backOffMs = Math.min(MAX_BACK_OFF_MS, waitMs === 0 ? FIRST_BACK_OFF_MS : waitMs * 2)
    this.#deps.log.warn(
      { issuer: this.#options.name, err: this.#lastError, retryInMs: waitMs },
      'keys cannot be loaded'
    )
    return waitMs * (1 + 0.2 * this.#deps.random())
  }

  #take(keys: readonly VerifyKey[]): void {
    const outline = JSON.stringify(keys.map(key => [key.kid, key.thumbprint, ...key.algorithms].join(' ')).sort())
    const isSame = outline === this.#outline
    this.#keys = keys
    this.#thumbprints = new Set(keys.map(key => key.thumbprint))
    this.#outline = outline
    this.#loadedAtMs = this.#deps.nowMs()
    if (!isSame) {
      this.version++
      this.#missing.clear()
      const kids = keys.map(key => key.kid ?? '(none)')
      if (new Set(kids).size < keys.length) {
        this.#deps.log.warn({ issuer: this.#options.name, kids }, 'two keys have one name; the algorithm decides')
      }
      this.#deps.log.info({ issuer: this.#options.name, kids }, 'keys are in use')
    }
    this.#firstKeys.resolve()
  }

  #demandUsable(): void {
    if (!this.#isUsable(this.#deps.nowMs()))
      throw keysUnavailable(this.#options.name, this.#lastError ?? 'not loaded yet')
  }

  #isFresh(nowMs: Ms): boolean {
    if (this.#loadedAtMs === null) return false
    // Half an interval more: a refresh that is a little late makes nothing stale.
    return this.#load === null || nowMs - this.#loadedAtMs <= this.#everyMs * 1.5
  }

  #isUsable(nowMs: Ms): boolean {
    if (this.#loadedAtMs === null) return false
    return this.#load === null || nowMs - this.#loadedAtMs <= this.#everyMs * 1.5 + this.#options.maxStaleMs
  }
}

/** What the work says, or false when it takes longer. The work goes on. */
async function within(ms: Ms, work: Promise<boolean>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const clock = setTimeout(() => late.resolve(false), ms)
  clock.unref()
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(clock)
  }
}
