import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'
import type { Entry } from './roll.ts'

/** So much waits for a disk that takes nothing. Usages of calls whose open was taken come on top: as many as are in flight. */
const MAX_ENTRIES = 50_000
const MAX_BYTES: Bytes = 32 * 1024 * 1024

/** Lines that wait to be written, in order. */
export class Queue {
  #entries: Entry[] = []
  #sinceMs: Ms = 0
  /** Of their data, by characters. */
  bytes: Bytes = 0

  get size(): number {
    return this.#entries.length
  }

  /** What comes now is to be given up; nothing here sees to that. */
  get isFull(): boolean {
    return this.#entries.length >= MAX_ENTRIES || this.bytes >= MAX_BYTES
  }

  /** When the first of them came, by the clock of `performance`; null when there is none. */
  get sinceMs(): Ms | null {
    return this.#entries.length === 0 ? null : this.#sinceMs
  }

  add(entry: Entry): void {
    if (this.#entries.length === 0) this.#sinceMs = performance.now()
    this.#entries.push(entry)
    this.bytes += entry.data.length
  }

  /** Empties it. */
  takeAll(): { readonly entries: readonly Entry[]; readonly sinceMs: Ms } {
    const taken = { entries: this.#entries, sinceMs: this.#sinceMs }
    this.#entries = []
    this.bytes = 0
    return taken
  }
}
