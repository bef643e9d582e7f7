import type { Ms } from '../time.ts'

/** One reading of a counter. */
export interface Sample {
  readonly atMs: Ms
  readonly value: number
}

/**
 * How far one counter came within a time, from its own readings: exact, where PromQL's `increase` guesses at the edges.
 *
 * Readings come in order; the last one up to the beginning is what is counted from. A counter that stands lower than before
 * has begun anew at 0, and so has one that was not there at the beginning: an engine that was started meanwhile.
 */
export class Increase {
  /** Up to now. */
  total = 0
  /** How often it has begun anew. */
  resets = 0
  /** What it stood at when it came up within the time; 0 for one that was there. */
  appearedAt = 0
  readonly #fromMs: Ms
  readonly #toMs: Ms
  #last: Sample | null = null

  constructor(fromMs: Ms, toMs: Ms) {
    this.#fromMs = fromMs
    this.#toMs = toMs
  }

  /** Takes readings that may begin with some that it has. */
  add(samples: readonly Sample[]): void {
    for (const sample of samples) {
      // A stale marker is no number.
      if (!Number.isFinite(sample.value) || sample.atMs > this.#toMs) continue
      if (this.#last !== null && sample.atMs <= this.#last.atMs) continue
      if (sample.atMs > this.#fromMs) this.#count(sample.value)
      this.#last = sample
    }
  }

  #count(value: number): void {
    if (this.#last === null) {
      this.appearedAt = value
      this.total += value
    } else if (value < this.#last.value) {
      this.resets++
      this.total += value
    } else this.total += value - this.#last.value
  }
}
