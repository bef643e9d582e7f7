import { csvCell, printable, printableJson } from '../printable.ts'
import { moneyText, moneyTexts } from './money.ts'
import type { Report, Row } from './report.ts'

/** How a report is written. */
export interface FormatInit {
  readonly report: Report
  /** Null without prices. */
  readonly currency: string | null
  /** Digits of money behind the point. */
  readonly decimals: number
}

/** A row with its money as text. What is shown of the rows adds up to what is shown of the total. */
interface Priced {
  readonly row: Row
  /** Null where nothing of it has a price. */
  readonly cost: string | null
  readonly estimated: string
}

function pricedRows({ report, decimals }: FormatInit): readonly Priced[] {
  const costs = moneyTexts(
    report.rows.map(({ atoms }) => atoms),
    decimals
  )
  return report.rows.map((row, index) => priced(row, costs[index] ?? '', decimals))
}

function priced(row: Row, cost: string, decimals: number): Priced {
  return { row, cost: isUnpriced(row) ? null : cost, estimated: moneyText(row.estimated.atoms, decimals) }
}

function isUnpriced({ sums, unpriced }: Row): boolean {
  return unpriced > 0n && unpriced === sums.requests - sums.rejected
}

/** A sum, or null when none of its records says the number. */
function known(sum: bigint, told: bigint): bigint | null {
  return told === 0n ? null : sum
}

function numbersOf({ sums }: Row): Readonly<Record<string, bigint | null>> {
  return {
    requests: sums.requests,
    errors: sums.errors,
    input: known(sums.input, sums.input_told),
    cached_input: known(sums.cached, sums.cached_told),
    output: known(sums.output, sums.output_told),
    reasoning_output: known(sums.reasoning, sums.reasoning_told)
  }
}

function secondsText({ sums }: Row): string | null {
  const ms = known(sums.audio_ms, sums.audio_told)
  return ms === null ? null : `${ms / 1000n}.${String(ms % 1000n).padStart(3, '0')}`
}

/** Writes a report as one JSON document. Amounts of money are texts. @param facts what stands before the rows */
export function formatJson(init: FormatInit, facts: object): string {
  const { report, currency, decimals } = init
  const jsonOf = ({ row, cost, estimated }: Priced) => ({
    ...Object.fromEntries(row.labels.map((text, index) => [report.labels[index], text])),
    ...Object.fromEntries(Object.entries(numbersOf(row)).map(([name, value]) => [name, numberOf(value)])),
    audio_seconds: secondsText(row) === null ? null : Number(secondsText(row)),
    untold: numberOf(row.untold),
    estimated: {
      requests: numberOf(row.estimated.requests),
      input: numberOf(row.estimated.input),
      output: numberOf(row.estimated.output),
      ...(currency === null ? {} : { cost: estimated })
    },
    ...(currency === null ? {} : { cost, unpriced: numberOf(row.unpriced) })
  })
  const rows = pricedRows(init).map(jsonOf)
  const total = jsonOf(priced(report.total, moneyText(report.total.atoms, decimals), decimals))
  return `${printableJson(JSON.stringify({ ...facts, currency, rows, total }, null, 2))}\n`
}

/** Beyond what other programs read exactly, a number is a text. */
function numberOf(value: bigint | null): number | string | null {
  if (value === null) return null
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)
}

/** Writes the rows as CSV (RFC 4180), without a total. What is not known is empty. */
export function formatCsv(init: FormatInit): string {
  const { report, currency } = init
  const money = currency === null ? [] : ['cost', 'estimated_cost', 'unpriced', 'currency']
  const counts = ['estimated_requests', 'estimated_input', 'estimated_output']
  const head = [
    ...report.labels,
    ...Object.keys(numbersOf(report.total)),
    'audio_seconds',
    'untold',
    ...counts,
    ...money
  ]
  const rows = pricedRows(init).map(({ row, cost, estimated }) => [
    ...row.labels,
    ...Object.values(numbersOf(row)).map(value => String(value ?? '')),
    secondsText(row) ?? '',
    String(row.untold),
    ...[row.estimated.requests, row.estimated.input, row.estimated.output].map(String),
    ...(currency === null ? [] : [cost ?? '', estimated, String(row.unpriced), currency])
  ])
  return [head, ...rows].map(cells => `${cells.map(csvCell).join(',')}\r\n`).join('')
}

/** Writes a report for a person, columns that say nothing left out. */
export function formatTable(init: FormatInit): string {
  const { report, currency, decimals } = init
  if (report.rows.length === 0) return 'No usage.\n'
  const { sums } = report.total
  const shown = (name: string) =>
    (name !== 'reasoning_output' || sums.reasoning_told > 0n) && (name !== 'cached_input' || sums.cached_told > 0n)
  const names = Object.keys(numbersOf(report.total)).filter(shown)
  const hasSound = sums.audio_told > 0n
  const hasUntold = report.total.untold > 0n
  const cells = ({ row, cost }: Priced, labels: readonly string[]) => [
    ...labels,
    ...names.map(name => String(numbersOf(row)[name] ?? UNKNOWN)),
    ...(hasSound ? [secondsText(row) ?? UNKNOWN] : []),
    shareText(row),
    ...(hasUntold ? [String(row.untold)] : []),
    ...(currency === null ? [] : [costText(row, cost)])
  ]
  const head = [
    ...report.labels,
    ...names.map(name => HEADS[name] ?? name),
    ...(hasSound ? ['sound s'] : []),
    'estimated',
    ...(hasUntold ? ['not told'] : []),
    ...(currency === null ? [] : [currency])
  ]
  const rows = pricedRows(init).map(each =>
    cells(
      each,
      each.row.labels.map(text => printable(text) || '(none)')
    )
  )
  const total = cells(
    priced(report.total, moneyText(report.total.atoms, decimals), decimals),
    report.labels.map((_, index) => (index === 0 ? 'total' : ''))
  )
  const isTotalNew = report.labels.length > 0
  return columns([head, ...rows, ...(isTotalNew ? [total] : [])], report.labels.length)
}

const UNKNOWN = '–'
const HEADS: Readonly<Record<string, string>> = { cached_input: 'of it cached', reasoning_output: 'of it reasoning' }

/** How much of the tokens, or of the requests where there are none, is in records in which something was guessed. */
function shareText({ sums, estimated }: Row): string {
  const tokens = sums.input + sums.output
  const [part, whole] = tokens > 0n ? [estimated.input + estimated.output, tokens] : [estimated.requests, sums.requests]
  if (part === 0n || whole === 0n) return '0 %'
  const tenths = (part * 1000n) / whole
  return tenths === 0n ? '<0.1 %' : `${tenths / 10n}.${tenths % 10n} %`
}

function costText({ unpriced }: Row, cost: string | null): string {
  if (cost === null) return 'no price'
  return unpriced === 0n ? cost : `${cost} + ${unpriced} without a price`
}

function columns(rows: readonly (readonly string[])[], labels: number): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map(row => [...(row[index] ?? '')].length)))
  const pad = (text: string, index: number) => {
    const space = ' '.repeat((widths[index] ?? 0) - [...text].length)
    return index < labels ? `${text}${space}` : `${space}${text}`
  }
  return rows.map(row => `${row.map(pad).join('  ').trimEnd()}\n`).join('')
}
