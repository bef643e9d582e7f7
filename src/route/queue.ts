import { GateError } from '../errors.ts'
import type { Ms } from '../time.ts'

/** What a queue is bounded by. */
export interface QueueOptions {
  readonly size: number
  readonly timeoutMs: Ms
}

/** Something that waits. */
interface Waiter<Asker, Place> {
  readonly asker: Asker
  readonly resolve: (place: Place) => void
  readonly reject: (error: unknown) => void
  /** True when it has had its place, or has gone. */
  isGone: boolean
  leave(): void
}

/** So many that have gone are kept at most before the list is made shorter. */
const SLACK = 1_024

/**
 * Calls that wait for a place, first come, first served. Bounded in number and in time; a caller who leaves makes room
 * at once. Coming and going cost the same however many wait.
 */
export class Queue<Asker, Place> {
  options: QueueOptions
  readonly #pool: string
  /** From `#head` on; those before have gone. */
  readonly #waiters: Waiter<Asker, Place>[] = []
  #head = 0
  #size = 0

  /** @param pool for the log */
  constructor(options: QueueOptions, pool: string) {
    this.options = options
    this.#pool = pool
  }

  /** How many wait now. */
  get size(): number {
    return this.#size
  }

  /**
   * Waits for a place.
   *
   * @param onLeave takes what must be called when the caller leaves; then nobody hears of the promise again
   * @throws (rejects with) TOLLGATE_ROUTE_FULL when too many wait, TOLLGATE_ROUTE_LATE when it took too long
   */
  wait(asker: Asker, onLeave: (leave: () => void) => void): Promise<Place> {
    const { size, timeoutMs } = this.options
    const pool = this.#pool
    if (this.#size >= size) return Promise.reject(new GateError('TOLLGATE_ROUTE_FULL', { pool, waiting: this.#size }))
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => {
        waiter.leave()
        reject(new GateError('TOLLGATE_ROUTE_LATE', { pool, afterMs: timeoutMs }))
      }, timeoutMs)
      const waiter: Waiter<Asker, Place> = {
        asker,
        resolve,
        reject,
        isGone: false,
        leave: () => {
          if (waiter.isGone) return
          waiter.isGone = true
          this.#size--
          clearTimeout(clock)
        }
      }
      onLeave(waiter.leave)
      this.#waiters.push(waiter)
      this.#size++
    })
  }

  /**
   * Gives places to those who have waited longest, for as long as there are any.
   * @param place makes a place for one, or null when there is none; what it throws is that one's refusal
   */
  admit(place: (asker: Asker) => Place | null): void {
    for (; this.#head < this.#waiters.length; this.#head++) {
      const waiter = this.#waiters[this.#head]
      if (waiter === undefined || waiter.isGone) continue
      try {
        const given = place(waiter.asker)
        if (given === null) break
        waiter.leave()
        waiter.resolve(given)
      } catch (error) {
        waiter.leave()
        waiter.reject(error)
      }
    }
    // In large pieces, so that each call pays for itself alone.
    if (this.#head === this.#waiters.length || this.#head > SLACK) this.#waiters.splice(0, this.#head)
    else return
    this.#head = 0
  }
}
