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
 * Three counters: of an account from one address, of an account from all addresses together, and of an address over all
 * accounts. The last two make nobody wait for more than a minute, and do not hold for an account at an address from which its
 * owner has logged in of late: else whoever knows a name, or shares an address, could lock the owner out. A try that is refused
 * does not count.
 */
export interface Throttle {
  /**
   * Takes a try. It counts as a failed one until `succeeded`, so that a hundred at once are not a hundred free ones.
   * @returns 0 when it may be made, or how long to wait
   */
  enter(of: Try): Promise<Ms>
  /** It was the owner: the counters of the account begin again, the address has failed once less, and is remembered. */
  succeeded(of: Try): Promise<void>
}

/** How a counter slows down: so many tries are free, then 1 s, 2 s, 4 s … up to `most`. */
export interface Slope {
  readonly free: number
  readonly mostMs: Ms
  /** A try is forgotten after each such time; 0: all of them together, when nobody adds to them. */
  readonly leakMs: Ms
}

/** Of an account from one address. */
export const FROM_ONE: Slope = { free: 5, mostMs: 900_000, leakMs: 0 }
/** Of an account from all addresses together: what is left to somebody with many of them is 1440 guesses a day. */
export const FROM_ALL: Slope = { free: 30, mostMs: 60_000, leakMs: 0 }
/** Of an address over all accounts. Many people may share one, and mistype one try a minute between them. */
export const FROM_ADDRESS: Slope = { free: 30, mostMs: 60_000, leakMs: 60_000 }
/** A counter that nobody adds to is forgotten. */
export const FORGET_MS: Ms = 3_600_000
/** How long an address is remembered from which the owner has logged in. */
export const KNOWN_MS: Ms = 30 * 86_400_000

const FIRST_MS: Ms = 1_000
/** Of counters that make somebody wait, and of those that do not yet. */
const MAX_COUNTERS = 40_000
const MAX_KNOWN = 20_000

interface Counter {
  readonly tries: number
  readonly atMs: Ms
}

/** How long a counter wants the next try to wait. */
export function waitOf({ tries, atMs }: Counter, { free, mostMs }: Omit<Slope, 'leakMs'>, nowMs: Ms): Ms {
  if (tries < free) return 0
  // Not 1 << n: what is counted has no end.
  const delay = Math.min(mostMs, FIRST_MS * 2 ** Math.min(tries - free, 30))
  return Math.max(0, Math.min(delay, atMs + delay - nowMs))
}

/** The keys of what is counted of a try: digests, so that a name that somebody made up takes no more room than another. */
export function countersOf({ name, address }: Try): Readonly<Record<'account' | 'pair' | 'from', string>> {
  const digest = (text: string) => hash('sha256', text, 'base64url').slice(0, 22)
  return { account: digest(name), pair: digest(`${name}\n${address}`), from: digest(`\n\n${address}`) }
}

/**
 * Counters, bounded. Those that make somebody wait are kept apart: however many names are tried once, they push out none of
 * them.
 */
class Counters {
  readonly #light = new LRUCache<string, Counter>({ max: MAX_COUNTERS })
  readonly #heavy = new LRUCache<string, Counter>({ max: MAX_COUNTERS })

  at(key: string, { leakMs }: Slope, now: Ms): Counter {
    const counter = this.#heavy.get(key) ?? this.#light.get(key)
    if (counter === undefined || now - counter.atMs > FORGET_MS) return { tries: 0, atMs: now }
    const leaked = leakMs === 0 ? 0 : Math.max(0, Math.floor((now - counter.atMs) / leakMs))
    return leaked === 0 ? counter : { tries: Math.max(0, counter.tries - leaked), atMs: counter.atMs + leaked * leakMs }
  }

  add(key: string, { tries }: Counter, { free }: Slope, now: Ms): void {
    this.#put(key, { tries: tries + 1, atMs: now }, free)
  }

  takeBack(key: string, counter: Counter, { free }: Slope): void {
    if (counter.tries > 0) this.#put(key, { tries: counter.tries - 1, atMs: counter.atMs }, free)
  }

  forget(key: string): void {
    this.#light.delete(key)
    this.#heavy.delete(key)
  }

  #put(key: string, counter: Counter, free: number): void {
    this.forget(key)
    const kept = counter.tries < free ? this.#light : this.#heavy
    kept.set(key, counter)
  }
}

/** The counters of this process. */
export class MemoryThrottle implements Throttle {
  readonly #nowMs: NowMs
  readonly #counters = new Counters()
  readonly #known = new LRUCache<string, Ms>({ max: MAX_KNOWN })

  constructor(init: { readonly nowMs: NowMs }) {
    this.#nowMs = init.nowMs
  }

  async enter(of: Try): Promise<Ms> {
    const now = this.#nowMs()
    const { account, pair, from } = countersOf(of)
    const fromOne = this.#counters.at(pair, FROM_ONE, now)
    const fromAll = this.#counters.at(account, FROM_ALL, now)
    const fromThere = this.#counters.at(from, FROM_ADDRESS, now)
    const isKnown = (this.#known.get(pair) ?? 0) > now
    const shared = Math.max(waitOf(fromAll, FROM_ALL, now), waitOf(fromThere, FROM_ADDRESS, now))
    const wait = Math.max(waitOf(fromOne, FROM_ONE, now), isKnown ? 0 : shared)
    if (wait > 0) return wait
    this.#counters.add(pair, fromOne, FROM_ONE, now)
    this.#counters.add(from, fromThere, FROM_ADDRESS, now)
    // What the owner mistypes at home shall not slow down the owner elsewhere.
    if (!isKnown) this.#counters.add(account, fromAll, FROM_ALL, now)
    return 0
  }

  async succeeded(of: Try): Promise<void> {
    const now = this.#nowMs()
    const { account, pair, from } = countersOf(of)
    this.#counters.forget(pair)
    this.#counters.forget(account)
    this.#counters.takeBack(from, this.#counters.at(from, FROM_ADDRESS, now), FROM_ADDRESS)
    this.#known.set(pair, now + KNOWN_MS)
  }
}
