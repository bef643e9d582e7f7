/** One quantity for each unit of another, as the ratio of two sums that forget. */
export class DecayedRatio {
  #top: number
  #bottom: number
  readonly #memory: number

  /** @param prior the ratio before anything was seen @param weight what the prior weighs, in units of the bottom @param memory likewise, after which half is forgotten */
  constructor(prior: number, { weight, memory }: { readonly weight: number; readonly memory: number }) {
    this.#top = prior * weight
    this.#bottom = weight
    this.#memory = memory
  }

  get value(): number {
    return this.#top / this.#bottom
  }

  add(top: number, bottom: number): void {
    // One that is longer than the memory is not all of it.
    const share = Math.min(1, this.#memory / 4 / bottom)
    this.#top += top * share
    this.#bottom += bottom * share
    if (this.#bottom < this.#memory) return
    this.#top /= 2
    this.#bottom /= 2
  }
}
