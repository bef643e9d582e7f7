/** Bounds work that costs memory and a thread: so much at once, so much that waits, and no more. */
export class Turns {
  readonly #max: number
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** @param of how many run at once, and how many may wait for that */
  constructor(of: { readonly atOnce: number; readonly waiting: number }) {
    this.#max = of.atOnce
    this.#maxWaiting = of.waiting
  }

  /** True while nothing more may even wait. */
  get isFull(): boolean {
    return this.#running >= this.#max && this.#waiting.length >= this.#maxWaiting
  }

  /** Runs the work in its turn. @returns null at once, without it, when too much waits already */
  run<T>(work: () => Promise<T>): Promise<T> | null {
    if (this.#running < this.#max) {
      this.#running++
      return this.#do(work)
    }
    if (this.#waiting.length >= this.#maxWaiting) return null
    return new Promise<void>(wake => this.#waiting.push(wake)).then(() => this.#do(work))
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } finally {
      // The place is handed on: whoever comes in this moment does not get between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
