import { LRUCache } from 'lru-cache'
import type { Ms } from '../time.ts'

/** So many keys of a rule are known; among more, those that were seen last. */
export const MAX_KEYS = 10_000

/** What a rule counts of one key, from the first of it until `untilMs`. */
interface Window {
  fromMs: Ms
  untilMs: Ms
  /** How much was counted: calls, or different values. */
  sum: number
  /** Of so many. */
  of: number
  /** Digests of different values, where those are counted. */
  seen: number[] | null
  hasFired: boolean
}

/** What one exchange adds, and what is too much. */
export interface Added {
  /** 0 where it is merely one of them. */
  readonly weight: number
  /** Where different values are counted: a digest of this one. */
  readonly value: number | null
  readonly withinMs: Ms
  /** How long a key is silent that has fired. */
  readonly restMs: Ms
  /** Whether so much, of so many, is too much. */
  readonly isOver: (sum: number, of: number) => boolean
}

/**
 * Counts what keys do in windows of time: how much, or how many different values. A window begins with the first that is
 * counted of a key; a key that has fired is silent for a while, and then begins anew. Nothing runs by itself, and nothing grows: a window holds no more values
 * than it takes to fire, and the key that was seen least recently makes room for a new one.
 */
export class Windows {
  readonly #byKey: LRUCache<string, Window>

  constructor(max = MAX_KEYS) {
    this.#byKey = new LRUCache({ max })
  }

  get size(): number {
    return this.#byKey.size
  }

  /**
   * Adds to a key.
   * @returns what it has come to when that has just become too much, else null
   */
  add(key: string, nowMs: Ms, { weight, value, withinMs, restMs, isOver }: Added): number | null {
    let window = this.#byKey.get(key)
    // Also when the clock was set back: a window would else last until the clock is where it was.
    if (window === undefined || nowMs >= window.untilMs || nowMs < window.fromMs) {
      window = { fromMs: nowMs, untilMs: nowMs + withinMs, sum: 0, of: 0, seen: null, hasFired: false }
      this.#byKey.set(key, window)
    }
    if (window.hasFired) return null
    window.of++
    if (value === null) window.sum += weight
    else if (window.seen === null) {
      window.seen = [value]
      window.sum = 1
    } else if (!window.seen.includes(value)) {
      window.seen.push(value)
      window.sum++
    }
    if (!isOver(window.sum, window.of)) return null
    this.rest(key, nowMs, restMs)
    return window.sum
  }

  /** Has a key be silent for so long, and then begin anew. */
  rest(key: string, nowMs: Ms, restMs: Ms): void {
    this.#byKey.set(key, { fromMs: nowMs, untilMs: nowMs + restMs, sum: 0, of: 0, seen: null, hasFired: true })
  }
}

/** Tells texts apart, in 31 bits: what stands in a row of small numbers is found fast. Reads no more than 256 characters. */
export function digestOf(text: string): number {
  let hash = 0x811c9dc5 ^ text.length
  const end = Math.min(text.length, 256)
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) & 0x3fffffff
}
