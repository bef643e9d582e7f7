import type { Ms, NowMs } from '../time.ts'
import {
  KeyRingError,
  type PublicJwk,
  publicPart,
  type RingKey,
  type SigningAlgorithm,
  type SigningKey
} from './key-file.ts'
import { type FolderRead, placeKey, readFolderLater, removeKey, writePublic } from './key-folder.ts'
import type { KeyChange } from './key-line.ts'
import { type KeyRing, nextKey, openFolder, publishedOf } from './key-ring.ts'
import { isNextDue, type KeyState, type KeyView, type RingTimes, signingKey, viewKeys } from './key-states.ts'

/** A folder of keys that follow each other while a gate runs. */
export interface LiveKeyRing extends KeyRing {
  /** Grows with every change of the public set. */
  readonly version: number
  readonly status: RingStatus
  /** Looks at the folder now. Never rejects. @returns false when it could not be read */
  reread(): Promise<boolean>
  /** Begins to look at the folder, every two seconds. */
  start(): void
  close(): void
}

/** What an operator wants to know of a ring. */
export interface RingStatus {
  readonly views: readonly KeyView<RingKey>[]
  /** Since the folder was read last. */
  readonly ageMs: Ms
  /** What is wrong with the folder, or null. */
  readonly lastError: string | null
  readonly reads: { readonly done: number; readonly failed: number }
}

/** So far a clock may run apart from the time that passes before it counts as set. */
const STEP_MS: Ms = 60_000

/** What a live ring is given. */
export interface LiveRingInit {
  readonly dir: string
  /** Of new keys. */
  readonly algorithm: SigningAlgorithm
  readonly times: RingTimes
  readonly nowMs: NowMs
  /** Time that only passes, whatever is done to the clock. */
  readonly steadyMs?: NowMs
  /** Told of the state of each key at the beginning, and of each change. */
  readonly onState: (change: KeyChange) => void
  readonly log: {
    info(facts: object, message: string): void
    warn(facts: object, message: string): void
    error(facts: object, message: string): void
  }
}

/**
 * Opens the keys of a folder and lets them follow each other, together with every gate that shares it.
 * @throws KeyRingError for a folder that no gate should begin with
 */
export function openLiveRing(init: LiveRingInit): LiveKeyRing {
  try {
    return new FolderRing(init)
  } catch (err) {
    if (!(err instanceof Error && 'syscall' in err)) throw err
    throw new KeyRingError(`${init.dir}: ${wordsOf(err)}`, { cause: err })
  }
}

class FolderRing implements LiveKeyRing {
  version = 1
  readonly #init: LiveRingInit
  readonly #steadyMs: NowMs
  readonly #pollMs: Ms
  #keys: readonly RingKey[]
  #jwks: { readonly keys: readonly PublicJwk[] } = { keys: [] }
  #publishedKids = ''
  #current: RingKey
  /** Since when this gate knows each key, by the steady clock. */
  readonly #knownSince = new Map<string, Ms>()
  readonly #states = new Map<string, KeyState>()
  #readAtMs: Ms
  /** Since when the clock runs as time does, and how far it is from it. */
  #clock: { readonly sinceMs: Ms; readonly offsetMs: Ms }
  #lastError: string | null = null
  #saidError: string | null = null
  #readsDone = 1
  #readsFailed = 0
  #reading: Promise<boolean> | null = null
  #timer: NodeJS.Timeout | null = null
  #isClosed = false

  constructor(init: LiveRingInit) {
    this.#init = init
    this.#steadyMs = init.steadyMs ?? (() => performance.now())
    this.#pollMs = Math.floor(init.times.settleMs / 2)
    const nowMs = init.nowMs()
    const { keys } = openFolder(init.dir, { algorithm: init.algorithm, times: init.times, nowMs })
    const steadyMs = this.#steadyMs()
    this.#clock = { sinceMs: steadyMs, offsetMs: nowMs - steadyMs }
    this.#readAtMs = steadyMs
    this.#keys = keys
    // What stood there before this gate was known to others by its times.
    for (const { kid } of keys) this.#knownSince.set(kid, Number.NEGATIVE_INFINITY)
    const first = signingKey(keys, nowMs, { current: null, isSettled: () => true })
    if (first === null) throw new KeyRingError(`${init.dir} has no key`)
    this.#current = first
    this.#follow()
  }

  get signing(): SigningKey {
    const { nowMs } = this.#init
    const key = signingKey(this.#keys, nowMs(), this.#seen()) ?? this.#current
    this.#current = key
    return key
  }

  get publicJwks(): { readonly keys: readonly PublicJwk[] } {
    return this.#jwks
  }

  get status(): RingStatus {
    return {
      views: this.#views(),
      ageMs: Math.max(0, this.#steadyMs() - this.#readAtMs),
      lastError: this.#lastError,
      reads: { done: this.#readsDone, failed: this.#readsFailed }
    }
  }

  start(): void {
    this.#isClosed = false
    this.#later()
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  reread(): Promise<boolean> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  #later(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.reread().then(() => this.#later()), this.#pollMs)
    this.#timer.unref()
  }

  async #readOnce(): Promise<boolean> {
    const { dir } = this.#init
    try {
      const read = await readFolderLater(dir)
      if (this.#isClosed) return false
      const keys = this.#believe(read)
      // A folder that has lost every key is another folder, or none: a mount that went away looks like that.
      if (keys.length === 0) throw new Error('it has no keys any more')
      this.#keys = keys
      this.#readAtMs = this.#steadyMs()
      this.#readsDone++
      this.#tell(read.faults[0] ?? null)
      this.#watchClock()
      this.#follow()
      this.#tend()
      return true
    } catch (err) {
      this.#readsFailed++
      this.#tell(`${dir}: ${wordsOf(err)}`)
      // Time goes on, also for keys that are only remembered.
      this.#follow()
      return false
    }
  }

  /** The keys of a folder. One that was known and cannot be read now stays as it was known, while its file is there. */
  #believe({ keys }: FolderRead): readonly RingKey[] {
    const known = new Map(this.#keys.map(key => [key.generation, key]))
    const found: RingKey[] = []
    for (const [name, key] of keys) {
      const before = known.get(generationOf(name))
      const believed = key ?? before
      if (believed !== undefined) found.push(believed)
    }
    return found
  }

  /** Sees what has become of the keys. */
  #follow(): void {
    const steadyMs = this.#steadyMs()
    for (const { kid } of this.#keys) if (!this.#knownSince.has(kid)) this.#knownSince.set(kid, steadyMs)
    const kids = new Set(this.#keys.map(({ kid }) => kid))
    for (const kid of this.#knownSince.keys()) if (!kids.has(kid)) this.#knownSince.delete(kid)
    void this.signing
    const views = this.#views()
    const published = publishedOf(views)
    const text = published.map(({ kid }) => kid).join(' ')
    if (text !== this.#publishedKids) {
      if (this.#publishedKids !== '') this.version++
      this.#publishedKids = text
      this.#jwks = { keys: published.map(publicPart) }
    }
    this.#tellStates(views)
  }

  /** Does what is due in the folder. Every gate tries; what one of them has done, the others find done. */
  #tend(): void {
    const { dir, algorithm, times, nowMs } = this.#init
    try {
      writePublic(dir, publishedOf(this.#views()))
      if (isNextDue(this.#keys, times, nowMs())) {
        const key = nextKey(this.#keys, { algorithm, times, nowMs: nowMs() })
        if (placeKey(dir, key)) {
          this.#keys = [...this.#keys, key]
          this.#follow()
          writePublic(dir, publishedOf(this.#views()))
        }
      }
      this.#sweep()
    } catch (err) {
      this.#tell(`${dir}: ${wordsOf(err)}`)
    }
  }

  /** A clock that was set forward must not cost a key whose tokens live: only one that has run well for long enough decides. */
  #sweep(): void {
    const { dir, times } = this.#init
    if (this.#steadyMs() - this.#clock.sinceMs < times.keepMs + times.settleMs) return
    for (const { key, state } of this.#views()) if (state === 'gone') removeKey(dir, key)
  }

  #watchClock(): void {
    const steadyMs = this.#steadyMs()
    const offsetMs = this.#init.nowMs() - steadyMs
    if (Math.abs(offsetMs - this.#clock.offsetMs) <= STEP_MS) return
    this.#init.log.warn(
      { byMs: Math.round(offsetMs - this.#clock.offsetMs) },
      'the clock was set; keys are kept for longer'
    )
    this.#clock = { sinceMs: steadyMs, offsetMs }
  }

  #seen() {
    const { settleMs } = this.#init.times
    const steadyMs = this.#steadyMs()
    return {
      current: this.#current.generation,
      isSettled: ({ kid }: RingKey) => steadyMs - (this.#knownSince.get(kid) ?? steadyMs) >= settleMs
    }
  }

  #views(): readonly KeyView<RingKey>[] {
    const { times, nowMs } = this.#init
    return viewKeys(this.#keys, times, nowMs(), this.#seen())
  }

  #tellStates(views: readonly KeyView<RingKey>[]): void {
    const { onState } = this.#init
    for (const { key, state, untilMs } of views) {
      const { kid, alg } = key
      const from = this.#states.get(kid) ?? null
      if (from === state) continue
      this.#states.set(kid, state)
      onState({ kid, alg, state, from, untilMs })
    }
    const kids = new Set(views.map(({ key }) => key.kid))
    for (const [kid, from] of this.#states) {
      if (kids.has(kid)) continue
      this.#states.delete(kid)
      onState({ kid, alg: null, state: 'removed', from, untilMs: null })
    }
  }

  /** Once for each trouble, not every two seconds. */
  #tell(error: string | null): void {
    this.#lastError = error
    if (error === this.#saidError) return
    this.#saidError = error
    const { log } = this.#init
    if (error === null) log.info({}, 'the keys of the mint are in order again')
    else log.error({ error, fix: 'the keys that are known go on' }, 'the keys of the mint are not in order')
  }
}

function generationOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0)
}

function wordsOf(err: unknown): string {
  if (err instanceof Error && 'code' in err) return `cannot be used (${err.code})`
  return err instanceof Error ? err.message : 'unknown'
}
