import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Ms } from '../time.ts'

/** The failures of one address since the first that counts. */
interface Counter {
  sum: number
  readonly firstMs: Ms
  /** Numbers out of digests of what has failed, the latest last. */
  readonly seen: number[]
}

const MAX_COUNTERS = 100_000
/** So much of what has failed is told apart; more is counted anew when it comes again. */
const MAX_SEEN = 64

/**
 * Counts failures of addresses, by weight, each different one once: a client that tries one bad token for ever is mistaken, no
 * attacker. The count begins anew when `withinMs` have passed since its first failure. Bounded: the address that failed
 * longest ago is forgotten first.
 */
export class Failures {
  /** Addresses that were forgotten to make room. */
  evictions = 0
  readonly #counters: LRUCache<string, Counter>

  constructor({ max = MAX_COUNTERS }: { readonly max?: number } = {}) {
    this.#counters = new LRUCache({
      max,
      disposeAfter: (_counter, _key, why) => {
        if (why === 'evict') this.evictions++
      }
    })
  }

  get size(): number {
    return this.#counters.size
  }

  /** @param what distinguishes one failure from another @returns what the failures of the address have come to */
  add(key: string, weight: number, what: string, { nowMs, withinMs }: { nowMs: Ms; withinMs: Ms }): number {
    let counter = this.#counters.get(key)
    // With a clock that was set back too: what is known of the time is wrong then.
    if (counter === undefined || nowMs - counter.firstMs >= withinMs || nowMs < counter.firstMs) {
      counter = { sum: 0, firstMs: nowMs, seen: [] }
      this.#counters.set(key, counter)
    }
    const digest = digestOf(what)
    if (counter.seen.includes(digest)) return counter.sum
    if (counter.seen.length >= MAX_SEEN) counter.seen.shift()
    counter.seen.push(digest)
    counter.sum += weight
    return counter.sum
  }

  forget(key: string): void {
    this.#counters.delete(key)
  }

  clear(): void {
    this.#counters.clear()
  }
}

/** As much of a digest as a number holds exactly: eight bytes for each, and nothing to try tokens against. */
function digestOf(what: string): number {
  return Number.parseInt(hash('sha256', what, 'hex').slice(0, 13), 16)
}
