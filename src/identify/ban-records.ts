import type { Ban } from '../exchange.ts'
import type { Ms } from '../time.ts'

const MAX_RECORDS = 50_000
/** A ban that has ended is remembered for so long: within it, the next one lasts twice as long. */
export const CLEAN_MS: Ms = 24 * 3_600_000

/**
 * The bans that hold, and those that held of late. Bounded: when there are too many, those that end first make room, of which
 * those that have ended already are the very first. Nothing is timed; whoever looks sees what has ended.
 */
export class BanRecords {
  /** Bans that were given up before their end to make room. */
  evictions = 0
  readonly #max: number
  readonly #records = new Map<string, Ban>()

  constructor({ max = MAX_RECORDS }: { readonly max?: number } = {}) {
    this.#max = max
  }

  get size(): number {
    return this.#records.size
  }

  /** The ban of a key that holds now, or null. */
  active(key: string, nowMs: Ms): Ban | null {
    const ban = this.#records.get(key)
    return ban !== undefined && nowMs < ban.untilMs ? ban : null
  }

  /** How often a key was banned, without 24 h between. */
  timesOf(key: string, nowMs: Ms): number {
    const ban = this.#records.get(key)
    return ban === undefined || nowMs - ban.untilMs >= CLEAN_MS ? 0 : ban.times
  }

  set(ban: Ban, nowMs: Ms): void {
    if (this.#records.size >= this.#max && !this.#records.has(ban.key)) this.#makeRoom(nowMs)
    this.#records.set(ban.key, ban)
  }

  delete(key: string): void {
    this.#records.delete(key)
  }

  clear(): void {
    this.#records.clear()
  }

  /** Those that hold now. */
  all(nowMs: Ms): readonly Ban[] {
    return [...this.#records.values()].filter(ban => nowMs < ban.untilMs)
  }

  /** A hundredth at once, so that not every further ban sorts them all. */
  #makeRoom(nowMs: Ms): void {
    const byEnd = [...this.#records.values()].sort((a, b) => a.untilMs - b.untilMs)
    for (const { key, untilMs } of byEnd.slice(0, Math.ceil(this.#max / 100))) {
      if (nowMs < untilMs) this.evictions++
      this.#records.delete(key)
    }
  }
}
