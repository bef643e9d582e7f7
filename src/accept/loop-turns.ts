/**
 * Work of which only so much begins in one turn of the event loop; the rest begins in later turns, which go round by keys.
 *
 * One turn reads whatever hundreds of connections have sent. Without this, whatever comes after them waits for all of it, and
 * each step of one call waits again.
 */
export class LoopTurns {
  readonly #most: number
  readonly #isFull: (key: string | null) => boolean
  /** By key, what begins next first. No queue is empty. */
  readonly #queues = new Map<string, (() => void)[]>()
  /** Begun since the counter was reset: in this turn, or in earlier turns that did not reach half of `most`. */
  #begun = 0
  #isScheduled = false
  readonly #onTurn = (): void => this.#next()

  /**
   * @param most how much begins in one turn
   * @param isFull whether work of a key has to wait for `retry`; of any key, for null
   */
  constructor(most: number, isFull: (key: string | null) => boolean = () => false) {
    this.#most = most
    this.#isFull = isFull
  }

  /** How much waits. */
  get waiting(): number {
    let sum = 0
    for (const queue of this.#queues.values()) sum += queue.length
    return sum
  }

  /**
   * @param key what turns are shared by; only `isFull` needs it
   * @returns whether work may begin now; it counts as begun. Else it has to `wait`
   */
  take(key = ''): boolean {
    if (this.#queues.size > 0 || this.#begun >= this.#most || this.#isFull(key)) return false
    this.#begun++
    // Not for each: a check of its own costs a turn, and most turns bring one request.
    if (this.#begun * 2 >= this.#most) this.#schedule()
    return true
  }

  /** Begins work in its turn. */
  wait(key: string, begin: () => void): void {
    const queue = this.#queues.get(key)
    if (queue === undefined) this.#queues.set(key, [begin])
    else queue.push(begin)
    this.#schedule()
  }

  /** Begins what waits, where it may. */
  retry(): void {
    if (this.#queues.size > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#onTurn)
  }

  #next(): void {
    this.#isScheduled = false
    this.#begun = 0
    for (const [key, queue] of this.#queues) {
      if (this.#begun === this.#most || this.#isFull(null)) break
      if (this.#isFull(key)) continue
      this.#begun++
      const begin = queue.shift()
      // Behind all others: each key has one turn before this one has its next.
      this.#queues.delete(key)
      if (queue.length > 0) this.#queues.set(key, queue)
      begin?.()
    }
    // What comes before the next turn is counted with these.
    if (this.#begun > 0) this.#schedule()
  }
}
