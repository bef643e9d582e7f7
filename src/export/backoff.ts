import type { Ms } from '../time.ts'

const FIRST_MS: Ms = 500
const MAX_MS: Ms = 60_000

/** How long to wait after tries that have failed: twice as long each time, with jitter, up to a minute. */
export class Backoff {
  readonly #random: () => number
  /** Tries that have failed one after another. */
  failures = 0

  /** @param random 0 to 1 */
  constructor(random: () => number) {
    this.#random = random
  }

  /** @param atLeastMs what the other side has asked for */
  next(atLeastMs: Ms): Ms {
    const full = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(this.failures++, 16))
    // Half of it at random: who failed together does not come back together.
    return Math.max(atLeastMs, Math.round(full * (0.5 + this.#random() / 2)))
  }

  succeeded(): void {
    this.failures = 0
  }
}
