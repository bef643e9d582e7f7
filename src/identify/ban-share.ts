import type { Ban } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import type { BanChange, BanStore, Bookmark } from './ban-store.ts'
import type { BanEvent, Bans } from './bans.ts'

const EVERY_MS: Ms = 1_000
/** So much is told at once. */
const CHUNK = 500
/** So much waits for a store that is away; then the oldest is given up. */
const MAX_WAITING = 50_000
const BEGINNING: Bookmark = { epoch: '', seq: 0 }

/** What is shared, and by what. */
export interface BanShareInit {
  readonly store: BanStore
  readonly bans: Pick<Bans, 'learn' | 'list'>
  readonly nowMs: NowMs
  readonly everyMs?: Ms
}

/**
 * Tells other gates of the bans of this one, and learns of theirs, each second and never while a caller waits. While the store is
 * away each gate bans for itself; what it has decided is told when the store is there again.
 */
export class BanShare {
  readonly #store: BanStore
  readonly #bans: Pick<Bans, 'learn' | 'list'>
  readonly #nowMs: NowMs
  readonly #everyMs: Ms
  /** What was decided here last, by key, and has not been told. Null for lifted. */
  readonly #waiting = new Map<string, Ban | null>()
  #bookmark = BEGINNING
  #clock: NodeJS.Timeout | null = null
  #trading: Promise<void> | null = null
  #answers = false

  constructor({ store, bans, nowMs, everyMs = EVERY_MS }: BanShareInit) {
    this.#store = store
    this.#bans = bans
    this.#nowMs = nowMs
    this.#everyMs = everyMs
  }

  /** Whether the store has answered the last round. */
  get answers(): boolean {
    return this.#answers
  }

  /** Something was decided here. What is only tried out is nobody else's business. */
  tell({ what, ban, isDry }: BanEvent): void {
    if (isDry) return
    this.#waiting.delete(ban.key)
    this.#waiting.set(ban.key, what === 'added' ? ban : null)
    const [oldest] = this.#waiting.keys()
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest)
  }

  /** Reads everything anew: under another configuration, what was passed over may hold. */
  reread(): void {
    this.#bookmark = { ...this.#bookmark, seq: 0 }
  }

  start(): void {
    if (this.#clock !== null) return
    void this.trade()
    this.#clock = setInterval(() => void this.trade(), this.#everyMs).unref()
  }

  /** Tells what waits, if it can. */
  async close(): Promise<void> {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
    if (this.#waiting.size > 0) await this.trade()
  }

  /** One round, or the one that is under way. Resolves, whether the store answers or not. */
  trade(): Promise<void> {
    this.#trading ??= this.#round()
      .then(
        () => true,
        // It is asked again in a second; a store that is away is told of by the connection to it.
        () => false
      )
      .then(answers => {
        this.#answers = answers
      })
      .finally(() => {
        this.#trading = null
      })
    return this.#trading
  }

  async #round(): Promise<void> {
    for (let isMore = true; isMore; ) {
      const told = [...this.#waiting].slice(0, CHUNK)
      const before = this.#bookmark
      const {
        changes,
        bookmark,
        isMore: isMoreThere
      } = await this.#store.trade(
        told.map(([key, ban]) => this.#changeOf(key, ban)),
        before
      )
      // What was decided meanwhile is told in the next step.
      for (const [key, ban] of told) if (this.#waiting.get(key) === ban) this.#waiting.delete(key)
      for (const { key, ban } of changes) if (!this.#waiting.has(key)) this.#bans.learn(key, this.#banOf(key, ban))
      // A reload meanwhile has it read from the beginning.
      if (this.#bookmark === before) this.#bookmark = bookmark
      // The store has lost what it knew.
      if (before.epoch !== '' && bookmark.epoch !== before.epoch) this.#tellAll()
      isMore = isMoreThere || this.#waiting.size > 0
    }
  }

  #tellAll(): void {
    for (const ban of this.#bans.list()) if (!this.#waiting.has(ban.key)) this.#waiting.set(ban.key, ban)
  }

  #changeOf(key: string, ban: Ban | null): BanChange {
    if (ban === null) return { key, ban: null }
    const { ip, reason, times, sinceMs, untilMs } = ban
    return { key, ban: { ip, reason, times, sinceMs, leftMs: untilMs - this.#nowMs() } }
  }

  #banOf(key: string, ban: BanChange['ban']): Ban | null {
    if (ban === null) return null
    const { ip, reason, times, sinceMs, leftMs } = ban
    return { key, ip, reason, times, sinceMs, untilMs: this.#nowMs() + leftMs }
  }
}
