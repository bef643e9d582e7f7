/** Work that waits, and who is told when it is its turn. */
interface Waiter {
  readonly start: () => void
  readonly turnAway: () => void
}

/**
 * Bounds work that costs memory or a thread: so much at once, so much that waits, and no more.
 *
 * Turns go round by keys, the addresses of callers: one that asks for a thousand turns and one that asks for a single one are
 * served alternately. Where too much waits, the latest of the key that has most waiting is turned away, so that no single
 * key keeps another out.
 */
export class Turns {
  readonly #max: number
  readonly #maxWaiting: number
  /** By key, the one whose turn is next first. No queue is empty. */
  readonly #queues = new Map<string, Waiter[]>()
  #running = 0
  #waiting = 0

  /** @param of how many run at once, and how many may wait for that */
  constructor(of: { readonly atOnce: number; readonly waiting: number }) {
    this.#max = of.atOnce
    this.#maxWaiting = of.waiting
  }

  /** Runs the work in its turn. @param key what turns are shared by @returns null, without it, when too much waits */
  async run<T>(work: () => Promise<T>, key = ''): Promise<T | null> {
    if (this.#running < this.#max) this.#running++
    else if (!(await this.#wait(key))) return null
    try {
      return await work()
    } finally {
      // The place is handed over, never free in between: a newcomer would take it and both would run.
      const next = this.#next()
      if (next === null) this.#running--
      else next.start()
    }
  }

  #wait(key: string): Promise<boolean> {
    const own = this.#queues.get(key)
    if (this.#waiting >= this.#maxWaiting) {
      const longest = this.#longest()
      if (longest === null || longest.length <= (own?.length ?? 0) + 1) return Promise.resolve(false)
      longest.pop()?.turnAway()
      this.#waiting--
    }
    return new Promise(resolve => {
      const waiter = { start: () => resolve(true), turnAway: () => resolve(false) }
      if (own === undefined) this.#queues.set(key, [waiter])
      else own.push(waiter)
      this.#waiting++
    })
  }

  #next(): Waiter | null {
    const [first] = this.#queues
    if (first === undefined) return null
    const [key, queue] = first
    const waiter = queue.shift() ?? null
    this.#waiting--
    // Behind all others: each key has one turn before this one has its next.
    this.#queues.delete(key)
    if (queue.length > 0) this.#queues.set(key, queue)
    return waiter
  }

  #longest(): Waiter[] | null {
    let longest: Waiter[] | null = null
    for (const queue of this.#queues.values()) if (queue.length > (longest?.length ?? 0)) longest = queue
    return longest
  }
}
