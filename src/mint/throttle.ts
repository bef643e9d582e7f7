import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Ms, NowMs } from '../time.ts'

/** Who tries to log in as whom. */
export interface Try {
  /** Canonical; also of an account that there is not. */
  readonly name: string
  /** What addresses are counted by: `Client.key`. */
  readonly address: string
}

/**
 * Slows down who guesses passwords, before anything is hashed.
 *
 * Two counters: of an account from one address, and of an account from all addresses together. The second one lasts a minute
 * at most, and does not hold for addresses from which its owner has logged in of late: else whoever knows a name could lock
 * its owner out. A try that is refused does not count.
 */
export interface Throttle {
  /**
   * Takes a try. It counts as a failed one until `succeeded`, so that a hundred at once are not a hundred free ones.
   * @returns 0 when it may be made, or how long to wait
   */
  enter(of: Try): Promise<Ms>
  /** It was the owner: the counters of the account begin anew, and the address is remembered. */
  succeeded(of: Try): Promise<void>
}

/** How a counter slows down: so many tries are free, then 1 s, 2 s, 4 s … up to `most`. */
export interface Slope {
  readonly free: number
  readonly mostMs: Ms
}

/** Of an account from one address. */
export const FROM_ONE: Slope = { free: 5, mostMs: 900_000 }
/** Of an account from all addresses together: what is left to somebody with many of them is 1440 guesses a day. */
export const FROM_ALL: Slope = { free: 30, mostMs: 60_000 }
/** A counter that nobody adds to is forgotten. */
export const FORGET_MS: Ms = 3_600_000
/** How long an address is remembered from which the owner has logged in. */
export const KNOWN_MS: Ms = 30 * 86_400_000

const FIRST_MS: Ms = 1_000
const MAX_COUNTERS = 20_000

interface Counter {
  tries: number
  atMs: Ms
}

/** How long a counter wants the next try to wait. */
export function waitOf({ tries, atMs }: Counter, { free, mostMs }: Slope, nowMs: Ms): Ms {
  if (tries < free) return 0
  // Not 1 << n: what is counted has no end.
  const delay = Math.min(mostMs, FIRST_MS * 2 ** Math.min(tries - free, 30))
  return Math.max(0, Math.min(delay, atMs + delay - nowMs))
}

/** The keys of what is counted of a try: digests, so that a name that somebody made up takes no more room than another. */
export function countersOf({ name, address }: Try): { readonly account: string; readonly pair: string } {
  const account = hash('sha256', name, 'base64url').slice(0, 22)
  return { account, pair: hash('sha256', `${name}\n${address}`, 'base64url').slice(0, 22) }
}

/** The counters of this process. Bounded: of too many, those that were used least of late are forgotten. */
export class MemoryThrottle implements Throttle {
  readonly #nowMs: NowMs
  readonly #counters = new LRUCache<string, Counter>({ max: MAX_COUNTERS })
  readonly #known = new LRUCache<string, Ms>({ max: MAX_COUNTERS })

  constructor(init: { readonly nowMs: NowMs }) {
    this.#nowMs = init.nowMs
  }

  async enter(of: Try): Promise<Ms> {
    const now = this.#nowMs()
    const { account, pair } = countersOf(of)
    const fromOne = this.#at(pair, now)
    const fromAll = this.#at(account, now)
    const knownUntilMs = this.#known.get(pair) ?? 0
    const wait = Math.max(waitOf(fromOne, FROM_ONE, now), knownUntilMs > now ? 0 : waitOf(fromAll, FROM_ALL, now))
    if (wait > 0) return wait
    this.#counters.set(pair, { tries: fromOne.tries + 1, atMs: now })
    // What the owner mistypes at home shall not slow down the owner elsewhere.
    if (knownUntilMs <= now) this.#counters.set(account, { tries: fromAll.tries + 1, atMs: now })
    return 0
  }

  async succeeded(of: Try): Promise<void> {
    const { account, pair } = countersOf(of)
    this.#counters.delete(pair)
    this.#counters.delete(account)
    this.#known.set(pair, this.#nowMs() + KNOWN_MS)
  }

  #at(key: string, now: Ms): Counter {
    const counter = this.#counters.get(key)
    return counter === undefined || now - counter.atMs > FORGET_MS ? { tries: 0, atMs: now } : counter
  }
}
