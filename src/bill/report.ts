import { type Day, dayText, monthOf, monthText, nextMonth, type Zone } from './calendar.ts'
import type { Atoms } from './money.ts'
import type { PriceList } from './price-list.ts'
import { COLUMNS, type Column, type Quarter, type Sums } from './records.ts'
import type { KeySums, Rollup } from './rollup.ts'

/** By what a report can be divided, and what stands in each column of it. */
export const DIMENSIONS = {
  month: ['month'],
  day: ['day'],
  team: ['team'],
  // Two issuers may know the same subject.
  sub: ['sub', 'iss'],
  model: ['model'],
  kind: ['kind'],
  source: ['source']
} as const satisfies Record<string, readonly string[]>
/** One of them. */
export type Dimension = keyof typeof DIMENSIONS

/** What is asked for. */
export interface ReportInit {
  readonly rollup: Pick<Rollup, 'between'>
  /** The first and the last day, both included. */
  readonly from: Day
  readonly to: Day
  readonly zone: Zone
  readonly by: readonly Dimension[]
  readonly prices: PriceList | null
}

/** What records that belong together have in sum. */
export interface Row {
  /** What they have in common, in the order of `Report.labels`. Empty: no team, no model. */
  readonly labels: readonly string[]
  readonly sums: Sums<bigint>
  /** The part of it in which a number is the gate's guess. */
  readonly estimated: {
    readonly requests: bigint
    readonly input: bigint
    readonly output: bigint
    readonly atoms: Atoms
  }
  /** Of what has a price. */
  readonly atoms: Atoms
  /** Requests without a price. */
  readonly unpriced: bigint
  /** Requests that an engine took, and of which nobody knows what they have used; or not that which they are priced by. */
  readonly untold: bigint
}

/** Usage of a stretch of time. */
export interface Report {
  readonly labels: readonly string[]
  /** In the order of their labels. */
  readonly rows: readonly Row[]
  readonly total: Row
}

/** Adds up what a rollup holds. The order of records, and how they are divided, changes no sum. */
export function report({ rollup, from, to, zone, by, prices }: ReportInit): Report {
  const labels = by.flatMap(dimension => DIMENSIONS[dimension])
  const groups = new Map<string, Sum>()
  const total = new Sum([])
  for (const { start, end, day } of stretches({ from, to, zone, by, edges: prices?.edges ?? [] })) {
    for (const of of rollup.between(start, end)) {
      const own = labels.map(label => labelOf(label, of, day))
      const id = JSON.stringify(own)
      const group = groups.get(id) ?? new Sum(own)
      groups.set(id, group)
      const cost = prices?.cost(of, start, of.sums) ?? { atoms: 0n, unpriced: 0n, untold: of.sums.untold }
      group.add(of, cost)
      total.add(of, cost)
    }
  }
  return { labels, rows: [...groups.values()].sort(byLabels), total }
}

class Sum implements Row {
  readonly labels: readonly string[]
  readonly sums = Object.fromEntries(COLUMNS.map(column => [column, 0n])) as Record<Column, bigint>
  readonly estimated = { requests: 0n, input: 0n, output: 0n, atoms: 0n }
  atoms = 0n
  unpriced = 0n
  untold = 0n

  constructor(labels: readonly string[]) {
    this.labels = labels
  }

  add({ source, sums }: KeySums, cost: Pick<Row, 'atoms' | 'unpriced' | 'untold'>): void {
    for (const column of COLUMNS) this.sums[column] += sums[column]
    this.atoms += cost.atoms
    this.unpriced += cost.unpriced
    this.untold += cost.untold
    if (source !== 'estimated') return
    this.estimated.requests += sums.requests
    this.estimated.input += sums.input
    this.estimated.output += sums.output
    this.estimated.atoms += cost.atoms
  }
}

interface Stretch {
  readonly start: Quarter
  readonly end: Quarter
  /** The day, or the first day of the month, that it is in. */
  readonly day: Day
}

/** Cuts the time of a report where its days or months begin, and where prices change. */
function* stretches(
  init: Pick<ReportInit, 'from' | 'to' | 'zone' | 'by'> & { edges: readonly Quarter[] }
): Generator<Stretch> {
  const { from, to, zone, by, edges } = init
  const isByDay = by.includes('day')
  const isByMonth = by.includes('month')
  const next = (day: Day) => (isByDay ? day + 1 : isByMonth ? nextMonth(day) : to + 1)
  for (let day = from; day <= to; day = next(day)) {
    const last = zone.startOf(Math.min(next(day), to + 1))
    let start = zone.startOf(day)
    for (const end of [...edges.filter(edge => edge > start && edge < last), last]) {
      if (end > start) yield { start, end, day }
      start = end
    }
  }
}

function labelOf(label: string, { team, sub, iss, model, op, source }: KeySums, day: Day): string {
  const texts: Readonly<Record<string, string>> = { team, sub, iss, model, kind: op, source }
  return texts[label] ?? (label === 'day' ? dayText(day) : monthText(monthOf(day)))
}

function byLabels(a: Row, b: Row): number {
  for (const [index, label] of a.labels.entries()) {
    const other = b.labels[index] ?? ''
    if (label !== other) return label < other ? -1 : 1
  }
  return 0
}
