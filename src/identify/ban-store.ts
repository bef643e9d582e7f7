import type { Ms } from '../time.ts'

/** A ban as gates tell each other of it: by how long is left, because their clocks differ. */
export interface SharedBan {
  readonly ip: string
  readonly reason: string
  readonly times: number
  readonly sinceMs: Ms
  /** Below zero for one that has ended of late, which makes the next one longer. */
  readonly leftMs: Ms
}

/** What was decided of a key. */
export interface BanChange {
  readonly key: string
  /** Null when it was lifted. */
  readonly ban: SharedBan | null
}

/** How far a gate has read. */
export interface Bookmark {
  /** The history that it has read of; another one after the store was started anew. Empty before the first answer. */
  readonly epoch: string
  readonly seq: number
}

/** What a store has answered. */
export interface BanNews {
  /** In the order in which they were decided, one at most of each key. */
  readonly changes: readonly BanChange[]
  readonly bookmark: Bookmark
  /** There is more behind them. */
  readonly isMore: boolean
}

/** Where gates tell each other of their bans. What was told last of a key holds. */
export interface BanStore {
  /** Tells what was decided here, and asks what was decided anywhere behind a bookmark. One step. */
  trade(told: readonly BanChange[], since: Bookmark): Promise<BanNews>
}

/** So much is answered at once. */
export const MAX_NEWS = 1_000
/** A store keeps no more, of which those go first that end first, */
export const MAX_KEPT = 50_000
/** and forgets what has ended, or was lifted, after so long. */
export const KEEP_MS: Ms = 24 * 3_600_000
