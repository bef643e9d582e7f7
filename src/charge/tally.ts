import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/** What has become of the lines. */
export interface LedgerStats {
  /** Those that the kernel has; what is carried from segment to segment counts once. */
  readonly opens: number
  readonly usages: number
  /** Everything that was put into segments. */
  readonly bytes: Bytes
  /** Writes and syncs that failed. */
  readonly errors: number
  /** Lines that were given up. */
  readonly lost: number
  /** Lines that are not written yet. */
  readonly waiting: number
  /** The age of the oldest line that a kill would lose, and of the oldest that a power cut would. 0 for none. */
  readonly oldestUnwrittenMs: Ms
  readonly oldestUnsyncedMs: Ms
}

/** Counts lines, and keeps how old the oldest of them is that is not where it is going. By the clock of `performance`. */
export class Tally {
  /** Writes and syncs that failed, and lines that were given up. */
  errors = 0
  lost = 0
  #opens = 0
  #usages = 0
  /** Lines that are being written. */
  #writing: { readonly opens: number; readonly usages: number; readonly sinceMs: Ms } | null = null
  /** Of what the disk may not have; and of what of it was written after the sync that runs now had begun. */
  #unsyncedSinceMs: Ms | null = null
  #laterSinceMs: Ms | null = null
  #isSyncing = false

  /** Lines are being written. @param sinceMs when the first was taken */
  put(lines: readonly { readonly isOpen: boolean }[], sinceMs: Ms): void {
    if (lines.length === 0) return
    let opens = 0
    for (const { isOpen } of lines) if (isOpen) opens++
    this.#writing = { opens, usages: lines.length - opens, sinceMs }
  }

  /** The kernel has them. @returns the age of the first; null when there are none */
  written(): Ms | null {
    if (this.#writing === null) return null
    const { opens, usages, sinceMs } = this.#writing
    this.#writing = null
    this.#opens += opens
    this.#usages += usages
    this.#unsyncedSinceMs ??= sinceMs
    if (this.#isSyncing) this.#laterSinceMs ??= sinceMs
    return performance.now() - sinceMs
  }

  syncBegins(): void {
    this.#isSyncing = true
    this.#laterSinceMs = null
  }

  /** The disk has what was written before the sync had begun. */
  synced(): void {
    this.#isSyncing = false
    this.#unsyncedSinceMs = this.#laterSinceMs
  }

  /** The disk has everything. */
  committed(): void {
    this.#unsyncedSinceMs = null
  }

  /** @param rest what is not the tally's: all bytes, lines that wait, and since when */
  stats(rest: { readonly bytes: Bytes; readonly waiting: number; readonly sinceMs: Ms | null }): LedgerStats {
    const nowMs = performance.now()
    const ageMs = (sinceMs: Ms | null) => (sinceMs === null ? 0 : nowMs - sinceMs)
    const writing = this.#writing
    const unwrittenSinceMs = writing?.sinceMs ?? rest.sinceMs
    return {
      opens: this.#opens,
      usages: this.#usages,
      bytes: rest.bytes,
      errors: this.errors,
      lost: this.lost,
      waiting: rest.waiting + (writing === null ? 0 : writing.opens + writing.usages),
      oldestUnwrittenMs: ageMs(unwrittenSinceMs),
      oldestUnsyncedMs: ageMs(this.#unsyncedSinceMs ?? unwrittenSinceMs)
    }
  }
}
