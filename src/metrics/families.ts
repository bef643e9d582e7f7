import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from '@prometheus-io/client'
import { Buckets, type Sample } from './buckets.ts'
import { type Definition, MAX_SERIES, METRICS, type MetricName, type ValuesOf } from './definitions.ts'
import { Family } from './family.ts'

/** One series of a counter or a gauge: what it has come to. */
export interface Tally {
  readonly labels: Readonly<Record<string, string>>
  value: number
}

type ChildOf<N extends MetricName> = (typeof METRICS)[N]['kind'] extends 'histogram' ? Buckets : Tally

/** The series of a metric. */
export type FamilyOf<N extends MetricName> = Family<ValuesOf<N>, ChildOf<N>>

type AnyFamily = Family<readonly string[], Tally | Buckets>

/**
 * Every metric of the gate and its series. A counter is a number that is added to, a histogram a row of them; the library,
 * which finds a series by a text of all its labels, hears of them when somebody asks.
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
      const family = new Family<readonly string[], Buckets>({
        max,
        onFolded,
        make: values => new Buckets(labelsOf(values), buckets)
      })
      if (labels.length === 0) family.expect()
      this.#registry.registerMetric(readable(name, help, family))
      return family
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

/** A histogram of ours, as the registry reads it. */
function readable(name: string, help: string, family: Family<readonly string[], Buckets>): Metric {
  const metric = {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    // At once, although it is awaited: what is forgotten behind the call is told still.
    async get() {
      const values: Sample[] = []
      for (const series of family.all()) series.tell(name, values)
      return { name, help, type: 'histogram', aggregator: 'sum', values }
    }
  }
  // The library's type names its own classes; it asks a metric for no more than this.
  return metric as unknown as Metric
}
