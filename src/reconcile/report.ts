import { quoted } from '../export/sink.ts'
import { csvCell, printable, printableJson } from '../printable.ts'
import type { Comparison, Row } from './compare.ts'

/** What a report is about. */
export interface ReportInit extends Comparison {
  /** RFC 3339. */
  readonly from: string
  readonly to: string
  readonly thresholdPercent: number
}

/** For people. */
export function reportTable({ rows, notes, isOver, from, to, thresholdPercent }: ReportInit): string {
  const head = ['model', 'tokens', 'ledger', 'engines', 'difference', 'drift', '']
  const cells = rows.map(row => [
    nameOf(row),
    row.tokens,
    ...[row.ledger, row.engines, row.difference].map(plain),
    row.driftPercent === null ? 'no counter' : `${row.driftPercent.toFixed(2)} %`,
    row.isOver ? 'OVER' : ''
  ])
  const widths = head.map((title, at) => Math.max(title.length, ...cells.map(line => line[at]?.length ?? 0)))
  const lines = [head, ...cells].map(line =>
    line
      .map((cell, at) => (at < 2 || at === 6 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  )
  const end = isOver ? `MORE than ${thresholdPercent} % apart` : `no more than ${thresholdPercent} % apart`
  return `${lines.join('\n')}\n${notes.map(note => `note: ${printable(note)}\n`).join('')}${from} to ${to}: ${end}\n`
}

/** For spreadsheets: RFC 4180, and no text that one of them would take for a formula. */
export function reportCsv({ rows }: ReportInit): string {
  const lines = rows.map(row =>
    [
      csvCell(nameOf(row)),
      row.tokens,
      plain(row.ledger),
      plain(row.engines),
      plain(row.difference),
      row.driftPercent === null ? '' : row.driftPercent.toFixed(4),
      row.isOver
    ].join(',')
  )
  return ['model,tokens,ledger,engines,difference,drift_percent,over', ...lines].map(line => `${line}\r\n`).join('')
}

/** For programs. */
export function reportJson(report: ReportInit): string {
  const { from, to, thresholdPercent, isOver, rows, notes } = report
  const facts = { from, to, threshold_percent: thresholdPercent, ok: !isOver, rows: rows.map(jsonRow), notes }
  return `${printableJson(JSON.stringify(facts, null, 2))}\n`
}

function jsonRow({ model, tokens, ledger, engines, difference, driftPercent, isOver }: Row): object {
  return { model, tokens, ledger, engines, difference, drift_percent: driftPercent, over: isOver }
}

/** The name of a model is somebody else's text. */
function nameOf({ model }: Row): string {
  return model === '' ? '(none)' : quoted(model, [], 60)
}

/** All digits, and no more than are meant: counters are floating point. */
function plain(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : value.toFixed(1)
}
