/** A line of a metric, as the library writes it. */
export interface Sample {
  readonly metricName: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** One series of a histogram: how many values came up to each bound, and their sum. Observing makes nothing. */
export class Buckets {
  readonly #labels: Readonly<Record<string, string>>
  readonly #bounds: readonly number[]
  /** Of values up to each bound and above the one before; the last of those above all. */
  readonly #counts: Float64Array
  #sum = 0

  /** @param bounds upper ones, ascending, without the infinite one */
  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.#labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  /** @throws TypeError for what is no finite number, after which the sum would never be one again */
  observe(value: number): void {
    if (!Number.isFinite(value)) throw new TypeError(`no value of a histogram: ${value}`)
    let i = 0
    while (value > (this.#bounds[i] ?? Number.POSITIVE_INFINITY)) i++
    this.#counts[i] = (this.#counts[i] ?? 0) + 1
    this.#sum += value
  }

  /** Adds its lines: each bound with all that came up to it, their sum and their number. */
  tell(name: string, samples: Sample[]): void {
    const labels = this.#labels
    const metricName = `${name}_bucket`
    let count = 0
    for (const [i, came] of this.#counts.entries()) {
      count += came
      samples.push({ metricName, labels: { ...labels, le: this.#bounds[i] ?? '+Inf' }, value: count })
    }
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sum })
    samples.push({ metricName: `${name}_count`, labels, value: count })
  }
}
