import { styleText } from 'node:util'
import { printable } from '../printable.ts'
import type { Facts } from './facts.ts'
import { bySeverity, type Finding, type Severity } from './findings.ts'

/** What a probe found. */
export interface Report {
  readonly file: string
  readonly facts: readonly Facts[]
  readonly findings: readonly Finding[]
}

/** Makes text fit to be shown: without secrets, without what a terminal would obey, and not endless. */
export type Show = (text: string, max?: number) => string

const MASK = '••••'
const MAX_WORDS = 600
const MAX_NAME = 200
const MAX_LISTED = 12

/** @param secrets what no output may show, the engines' keys among them */
export function createShow(secrets: readonly string[]): Show {
  const longestFirst = secrets.filter(secret => secret !== '').sort((a, b) => b.length - a.length)
  return (text, max = MAX_WORDS) => {
    const masked = longestFirst.reduce((shown, secret) => shown.replaceAll(secret, MASK), text)
    const plain = printable(masked)
    return plain.length > max ? `${plain.slice(0, max - 1)}…` : plain
  }
}

/** Every text of a finding, fit to be shown. */
export function shown(finding: Finding, show: Show): Finding {
  const { message, hint, routes, models } = finding
  const names = (list: readonly string[]) => list.map(name => show(name, MAX_NAME))
  return {
    ...finding,
    message: show(message),
    ...(hint === undefined ? {} : { hint: show(hint) }),
    ...(routes === undefined ? {} : { routes: names(routes) }),
    ...(models === undefined ? {} : { models: names(models) })
  }
}

/** Counts findings. */
export function count(findings: readonly Finding[]): Readonly<Record<'errors' | 'warnings' | 'infos', number>> {
  const of = (severity: Severity) => findings.filter(finding => finding.severity === severity).length
  return { errors: of('error'), warnings: of('warning'), infos: of('info') }
}

/**
 * Writes a report for a program: one JSON document, whose members stay as they are and may become more.
 *
 * - `file`, and `summary`: `targets`, `errors`, `warnings`, `infos`;
 * - `targets`: for each that was asked `pool`, `engine`, `target`, `reachable`, `looksLike` (an engine or null),
 *   `version` (or null), `models` (names, or null where it gave no list), `routes` (how many it documents, or null),
 *   `pathsAsked` (how many were asked without a key, or null where none was);
 * - `findings`, the worst first: `code`, `severity` (`error`, `warning`, `info`), `pool` (null: the file as a whole),
 *   `target` (null: the pool as a whole), `message`, and where there is one `hint`, `routes`, `models`.
 */
export function reportJson({ file, facts, findings }: Report, show: Show): string {
  const targets = facts.map(({ pool, engine, target, models, routes, version, looksLike, sweep }) => ({
    pool,
    engine,
    target,
    reachable: models.is !== 'failed',
    looksLike,
    version: version === null ? null : show(version, MAX_NAME),
    models: models.is === 'said' ? models.value.names.map(name => show(name, MAX_NAME)) : null,
    routes: routes.is === 'said' ? routes.value.length : null,
    pathsAsked: sweep.asked ? sweep.answers.size : null
  }))
  const summary = { targets: facts.length, ...count(findings) }
  const sorted = findings.map(finding => shown(finding, show)).sort(bySeverity)
  return `${JSON.stringify({ file, summary, targets, findings: sorted }, null, 2)}\n`
}

/** Writes a report for a person: by pool and target, a line for each finding, the worst first. */
export function reportText({ facts, findings }: Report, show: Show, style: { readonly color: boolean }): string {
  const line = (finding: Finding) => lineOf(shown(finding, show), style)
  const at = (pool: string | null, target: string | null) =>
    findings
      .filter(finding => finding.pool === pool && finding.target === target)
      .sort(bySeverity)
      .map(line)
  const lines: string[] = []
  for (const pool of new Set(facts.map(fact => fact.pool))) {
    const targets = facts.filter(fact => fact.pool === pool)
    lines.push(paint('bold', `pool ${show(pool)} (${targets[0]?.engine})`, style), ...at(pool, null))
    for (const { target, models } of targets) {
      const serves = models.is === 'said' ? ` serves ${list(models.value.names, show) || 'nothing'}` : ''
      const own = at(pool, target)
      lines.push(`  ${target}${serves}`, ...(own.length > 0 ? own : ['    fine']))
    }
  }
  const file = at(null, null)
  if (file.length > 0) lines.push(paint('bold', 'the configuration', style), ...file)
  const { errors, warnings, infos } = count(findings)
  const pools = new Set(facts.map(({ pool }) => pool)).size
  const asked = `${many(facts.length, 'target')} of ${many(pools, 'pool')} asked`
  const counts = `${many(errors, 'error')}, ${many(warnings, 'warning')}, ${many(infos, 'info')}`
  return `${lines.join('\n')}\n\n${asked}: ${counts}\n`
}

const COLORS = { error: 'red', warning: 'yellow', info: 'cyan' } as const

function lineOf(
  { severity, code, message, hint, routes, models }: Finding,
  style: { readonly color: boolean }
): string {
  const names = [...(routes ?? []), ...(models ?? [])]
  const about = names.length === 0 ? '' : `: ${list(names, name => name)}`
  const label = paint(COLORS[severity], severity.padEnd(7), style)
  return `    ${label} ${code} ${message}${about}${hint === undefined ? '' : `; ${hint}`}`
}

function list(names: readonly string[], show: Show): string {
  const first = names.slice(0, MAX_LISTED).map(name => show(name, MAX_NAME))
  return [...first, ...(names.length > MAX_LISTED ? [`and ${names.length - MAX_LISTED} more`] : [])].join(', ')
}

function many(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? '' : 's'}`
}

function paint(format: Parameters<typeof styleText>[0], text: string, { color }: { readonly color: boolean }): string {
  return color ? styleText(format, text, { validateStream: false }) : text
}
