import type { Ms } from '../time.ts'

interface Waiting {
  readonly untilMs: Ms
  readonly giveUp: () => void
  isDone: boolean
}

/**
 * Time limits for questions that are asked of one peer, one after the other: with one clock for all of them.
 *
 * A time that is up is looked at again when the event loop has read what has come meanwhile: a loop that was late itself would
 * else take answers that lie there for missing ones.
 */
export class Deadlines {
  readonly #afterMs: Ms
  readonly #waiting: Waiting[] = []
  #clock: NodeJS.Timeout | null = null

  constructor(afterMs: Ms) {
    this.#afterMs = afterMs
  }

  /** @returns what an answer brings; rejects with `late()` when none comes in time */
  await<T>(answer: Promise<T>, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        untilMs: performance.now() + this.#afterMs,
        giveUp: () => reject(late()),
        isDone: false
      }
      answer.then(
        value => {
          waiting.isDone = true
          resolve(value)
        },
        err => {
          waiting.isDone = true
          reject(err)
        }
      )
      this.#waiting.push(waiting)
      if (this.#clock === null) this.#wind(this.#afterMs)
    })
  }

  #wind(ms: Ms): void {
    this.#clock = setTimeout(() => setImmediate(() => this.#look()), Math.max(1, ms)).unref()
  }

  #look(): void {
    const now = performance.now()
    let done = 0
    for (const { isDone, untilMs, giveUp } of this.#waiting) {
      if (!isDone && untilMs > now) break
      if (!isDone) giveUp()
      done++
    }
    this.#waiting.splice(0, done)
    const [first] = this.#waiting
    if (first === undefined) this.#clock = null
    else this.#wind(first.untilMs - now)
  }
}
