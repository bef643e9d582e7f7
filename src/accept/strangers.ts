import type { Ms } from '../time.ts'

/** A connection without a request, on which no known caller has been answered yet. */
interface Stranger {
  /** Since when it has had no request. */
  readonly sinceMs: Ms
}

/** More of one address are silent for no longer than `GRACE_MS`. */
const MOST_OF_ADDRESS = 128
/** Honest clients send a request as soon as they can; hundreds of them may connect at once behind one address. */
const GRACE_MS: Ms = 1_000

/**
 * Connections that wait without anybody known on them, by address. Each holds some 30 KB with TLS: an address that has many of
 * them loses those that have waited longest.
 */
export class Strangers<T extends Stranger> {
  /** Those of each address in the order in which they began to wait. */
  readonly #of = new Map<string, Set<T>>()
  /** Of addresses that have too many. */
  readonly #crowds = new Set<Set<T>>()

  add(address: string, stranger: T): void {
    const crowd = this.#of.get(address)
    if (crowd === undefined) this.#of.set(address, new Set([stranger]))
    else crowd.add(stranger)
    if (crowd !== undefined && crowd.size > MOST_OF_ADDRESS) this.#crowds.add(crowd)
  }

  delete(address: string, stranger: T): void {
    const crowd = this.#of.get(address)
    if (crowd === undefined || !crowd.delete(stranger)) return
    if (crowd.size <= MOST_OF_ADDRESS) this.#crowds.delete(crowd)
    if (crowd.size === 0) this.#of.delete(address)
  }

  /** Those that have to go. Each is to be deleted before the next one is asked for. */
  *overdue(nowMs: Ms): Iterable<T> {
    for (const crowd of this.#crowds) {
      for (const stranger of crowd) {
        if (crowd.size <= MOST_OF_ADDRESS || nowMs - stranger.sinceMs < GRACE_MS) break
        yield stranger
      }
    }
  }
}
