/** A place in a line. */
export interface Spot<T> {
  readonly value: T
  before: Spot<T> | null
  after: Spot<T> | null
}

/** First come, first served; whoever leaves from the middle costs no more than the first. */
export class Line<T> {
  first: Spot<T> | null = null
  #last: Spot<T> | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  join(value: T): Spot<T> {
    const spot: Spot<T> = { value, before: this.#last, after: null }
    if (this.#last === null) this.first = spot
    else this.#last.after = spot
    this.#last = spot
    this.#size++
    return spot
  }

  /** @param spot of this line, once */
  leave({ before, after }: Spot<T>): void {
    if (before === null) this.first = after
    else before.after = after
    if (after === null) this.#last = before
    else after.before = before
    this.#size--
  }
}
