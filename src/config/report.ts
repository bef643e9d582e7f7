import { styleText } from 'node:util'
import type { Fault } from './faults.ts'
import type { LoadResult } from './load.ts'

/** How a report is written. */
export interface ReportStyle {
  readonly color: boolean
}

const MASK = '••••'

/**
 * Writes faults for a person: place, code, words, the line with a caret under the part at fault, and advice.
 * A secret that stands in a line is masked.
 */
export function reportText(result: Pick<LoadResult, 'faults' | 'text' | 'secrets'>, style: ReportStyle): string {
  const { faults, secrets } = result
  if (faults.length === 0) return ''
  const lines = (result.text ?? '').split('\n')
  const blocks = faults.map(fault => block(fault, lines[fault.line - 1] ?? '', secrets, style))
  return `${blocks.join('')}${countText(faults)}\n`
}

/** Writes faults for a program: one JSON document. */
export function reportJson(file: string, result: Pick<LoadResult, 'ok' | 'faults'>): string {
  return `${JSON.stringify({ file, ok: result.ok, faults: result.faults }, null, 2)}\n`
}

/** The report that commands print before they begin: faults and warnings, or nothing. */
export function reportFile(_file: string, result: LoadResult): string {
  return reportText(result, { color: false })
}

/** `3 problems (2 errors, 1 warning)` */
export function countText(faults: readonly Fault[]): string {
  const errors = faults.filter(fault => fault.severity === 'error').length
  const warnings = faults.length - errors
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  return `${count(faults.length, 'problem')} (${count(errors, 'error')}, ${count(warnings, 'warning')})`
}

function block(fault: Fault, line: string, secrets: readonly string[], { color }: ReportStyle): string {
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(format, text, { validateStream: false }) : text
  const severity = paint(fault.severity === 'error' ? 'red' : 'yellow', fault.severity)
  const head = `${fault.file}:${fault.line}:${fault.column} ${severity} ${fault.code} ${mask(fault.message, secrets)}\n`
  const hint = fault.hint === undefined ? '' : mask(fault.hint, secrets)
  if (line.trim() === '') return hint === '' ? head : `${head}      = ${hint}\n`

  const gutter = String(fault.line).padStart(5)
  const shown = mask(line, secrets)
  // Where a secret was masked, columns no longer tell.
  const isExact = shown === line
  const carets = paint(
    'red',
    isExact
      ? ' '.repeat(fault.column - 1) +
          '^'.repeat(Math.max(1, Math.min(fault.endColumn - fault.column, line.length - fault.column + 2)))
      : '^'
  )
  return `${head}${gutter} | ${shown}\n      | ${carets}${hint === '' ? '' : ` ${hint}`}\n`
}

function mask(text: string, secrets: readonly string[]): string {
  return secrets.reduce((shown, secret) => (secret === '' ? shown : shown.replaceAll(secret, MASK)), text)
}
