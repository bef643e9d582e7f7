/**
 * Lets a bounded number of tasks run at once and a bounded number wait: a flood of forged tokens must not fill the
 * thread pool that DNS and files use too.
 */
export class Turnstile {
  readonly #maxRunning: number
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(options: { readonly maxRunning: number; readonly maxWaiting: number }) {
    this.#maxRunning = options.maxRunning
    this.#maxWaiting = options.maxWaiting
  }

  /** Runs the task in its turn, or returns null at once when too many wait already. */
  enter<T>(task: () => Promise<T>): Promise<T> | null {
    if (this.#running < this.#maxRunning) {
      this.#running++
      return this.#run(task)
    }
    if (this.#waiting.length >= this.#maxWaiting) return null
    return new Promise<void>(resolve => this.#waiting.push(resolve)).then(() => this.#run(task))
  }

  async #run<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } finally {
      // The place is handed over, never free in between: a newcomer would take it and both would run.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
