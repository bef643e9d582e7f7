import { styleText } from 'node:util'
import { printable, printableJson } from '../printable.ts'
import type { Fault } from './faults.ts'
import type { LoadResult } from './load.ts'
import { isHarmless } from './shape.ts'
import { type ShowLine, showLines } from './shown-line.ts'

/** How a report is written. */
export interface ReportStyle {
  readonly color: boolean
  /** The schema of the file, that of the configuration unless given: it tells what of a line is known to be no secret. */
  readonly schema?: object
}

const MASK = '••••'

/**
 * Writes faults for a person: place, code, words, what of the line is known to be no secret, with a caret under the part at
 * fault, and advice. Without the text it shows no line: for logs, and for files whose lines are secrets.
 */
export function reportText(result: Pick<LoadResult, 'faults' | 'text' | 'secrets'>, style: ReportStyle): string {
  const { faults, text, secrets } = result
  if (faults.length === 0) return ''
  const showLine = text === null ? () => null : showLines(text, ({ path, is }) => isHarmless(path, is, style.schema))
  return `${faults.map(fault => block(fault, showLine, secrets, style)).join('')}${countText(faults)}\n`
}

/** Writes faults for a program: one JSON document. */
export function reportJson(file: string, result: Pick<LoadResult, 'ok' | 'faults'>): string {
  return `${printableJson(JSON.stringify({ file, ok: result.ok, faults: result.faults }, null, 2))}\n`
}

/** What is told before something begins, faults and warnings, or nothing: it may go to a log, so that it shows no line. */
export function reportFile(_file: string, result: LoadResult): string {
  return reportText({ ...result, text: null }, { color: false })
}

/** `3 problems (2 errors, 1 warning)` */
export function countText(faults: readonly Fault[]): string {
  const errors = faults.filter(fault => fault.severity === 'error').length
  const warnings = faults.length - errors
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  return `${count(faults.length, 'problem')} (${count(errors, 'error')}, ${count(warnings, 'warning')})`
}

function block(fault: Fault, showLine: ShowLine, secrets: readonly string[], { color }: ReportStyle): string {
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(format, text, { validateStream: false }) : text
  const severity = paint(fault.severity === 'error' ? 'red' : 'yellow', fault.severity)
  const place = `${printable(fault.file)}:${fault.line}:${fault.column}`
  const head = `${place} ${severity} ${fault.code} ${printable(mask(fault.message, secrets))}\n`
  const hint = fault.hint === undefined ? '' : printable(mask(fault.hint, secrets))
  const line = showLine(fault.line)
  if (line === null || line.trim() === '') {
    const at = fault.path === '' ? '' : `      | ${printable(mask(fault.path, secrets))}\n`
    return `${head}${at}${hint === '' ? '' : `      = ${hint}\n`}`
  }

  const gutter = String(fault.line).padStart(5)
  const shown = printable(mask(line, secrets))
  // Where something is hidden, columns no longer tell.
  const isExact = shown === line && !shown.includes(MASK)
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
