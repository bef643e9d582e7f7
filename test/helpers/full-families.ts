import { type Definition, MAX_SERIES, METRICS, type MetricName } from '../../src/metrics/definitions.ts'
import { Families } from '../../src/metrics/families.ts'

/** As long as they come: a team is named by 64 characters at most, a subject by 256. */
const LENGTHS: Readonly<Record<string, number>> = { team: 64, model: 64, target: 40, sub: 256 }

/** Callers choose what stands here; other labels are words of ours, or of the configuration. */
const BY_CALLERS = ['team', 'model', 'sub']

/** A metric with all the series that it may have, and then some. */
export interface Filled {
  readonly name: MetricName
  readonly lines: number
  readonly byCallers: boolean
  /** One without labels has one series and never folds. */
  readonly folds: boolean
}

/** How many more label sets come than there may be. */
export const TOO_MANY = 3

/** Families of which every one is full, and has had to fold. */
export function fullFamilies(): { families: Families; filled: readonly Filled[] } {
  const families = new Families()
  const filled = (Object.keys(METRICS) as MetricName[])
    .filter(name => name !== 'tollgate_metric_series_dropped_total')
    .map(name => fill(families, name))
  return { families, filled }
}

function fill(families: Families, name: MetricName): Filled {
  const { kind, labels, buckets = [], max = MAX_SERIES }: Definition = METRICS[name]
  const family = families.of(name) as unknown as {
    at(...values: readonly string[]): { value: number; observe?(value: number): void }
  }
  const count = labels.length === 0 ? 1 : max - 1 + TOO_MANY
  for (let i = 0; i < count; i++) {
    const series = family.at(...labels.map(label => `${label}-${i}`.padEnd(LENGTHS[label] ?? 12, 'x')))
    if (series.observe === undefined) series.value = 123_456.789 + i
    else series.observe(i)
  }
  const series = labels.length === 0 ? 1 : max
  return {
    name,
    lines: series * (kind === 'histogram' ? buckets.length + 3 : 1),
    folds: labels.length > 0,
    byCallers: labels.some(label => BY_CALLERS.includes(label))
  }
}
