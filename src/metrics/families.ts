import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client'
import { type Definition, MAX_SERIES, METRICS, type MetricName, type ValuesOf } from './definitions.ts'
import { Family } from './family.ts'

/** One series of a counter or a gauge: what it has come to. */
export interface Tally {
  readonly labels: Readonly<Record<string, string>>
  value: number
}

/** One series of a histogram. */
export interface Timing {
  observe(value: number): void
}

type ChildOf<N extends MetricName> = (typeof METRICS)[N]['kind'] extends 'histogram' ? Timing : Tally

/** The series of a metric. */
export type FamilyOf<N extends MetricName> = Family<ValuesOf<N>, ChildOf<N>>

type AnyFamily = Family<readonly string[], Tally | Timing>

/**
 * Every metric of the gate and its series. A counter is a number that is added to; the library, which finds a series by a
 * text of all its labels, hears of it when somebody asks.
 */
export class Families {
  readonly #registry = new Registry()
  readonly #families = new Map<MetricName, AnyFamily>()
  readonly #tellers: (() => void)[] = []

  constructor() {
    for (const name of Object.keys(METRICS) as MetricName[]) this.#families.set(name, this.#open(name, METRICS[name]))
  }

  of<N extends MetricName>(name: N): FamilyOf<N> {
    // Each was made of the definition that the type is made of.
    return this.#families.get(name) as unknown as FamilyOf<N>
  }

  /** Adds what the library knows of the process. Once, and until it ends. */
  watchProcess(): void {
    collectDefaultMetrics({ register: this.#registry })
  }

  /** Every series, as Prometheus reads it. */
  async text(): Promise<string> {
    for (const tell of this.#tellers) tell()
    return await this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Forgets series of what is gone, of metrics that are half full: a counter that stands still costs nothing else. */
  retain(isKept: (label: string, value: string) => boolean): void {
    for (const [name, family] of this.#families) {
      const { labels, max = MAX_SERIES }: Definition = METRICS[name]
      if (family.size <= max / 2) continue
      family.retain(values => values.every((value, i) => isKept(labels[i] ?? '', value)))
    }
  }

  #open(name: MetricName, definition: Definition): AnyFamily {
    const { kind, help, labels, buckets = [], max = MAX_SERIES } = definition
    const init = { name, help, labelNames: [...labels], registers: [this.#registry] }
    const labelsOf = (values: readonly string[]) =>
      Object.fromEntries(labels.map((label, i) => [label, values[i] ?? '']))
    const onFolded = () => {
      this.of('tollgate_metric_series_dropped_total').at(name).value++
    }
    if (kind === 'histogram') {
      const histogram = new Histogram({ ...init, buckets: [...buckets] })
      return new Family({
        max,
        onFolded,
        make: values => histogram.labels(labelsOf(values)),
        onForgotten: values => histogram.remove(labelsOf(values))
      })
    }
    const metric = kind === 'counter' ? new Counter(init) : new Gauge(init)
    const family = new Family<readonly string[], Tally>({
      max,
      onFolded,
      make: values => ({ labels: labelsOf(values), value: 0 })
    })
    this.#tellers.push(() => {
      metric.reset()
      for (const { labels, value } of family.all()) metric.inc(labels, value)
    })
    return family
  }
}
