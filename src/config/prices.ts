import { readFileSync } from 'node:fs'
import { type PriceFile, PriceFileSchema } from '../bill/options.ts'
import { OPERATIONS } from '../engines/operations.ts'
import { parseDocument } from './document.ts'
import { type Fault, type Finding, type Path, suggest } from './faults.ts'
import { checkShape } from './shape.ts'

/** The prices of a file, or everything that is wrong with it. */
export type PricesResult =
  | { readonly ok: true; readonly prices: PriceFile; readonly faults: readonly Fault[]; readonly text: string }
  /** `text` is null when the file could not be read. */
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly text: string | null }

/** Reads a price file. Never throws: whatever is wrong is a fault with a place. */
export function loadPrices(file: string): PricesResult {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (err) {
    const why = err instanceof Error && 'code' in err ? `cannot be read (${err.code})` : String(err)
    return { ok: false, faults: [wholeFile(file, 'E100', `the file ${why}`)], text: null }
  }
  return parsePrices(text, file)
}

/** Reads the text of a price file: all faults at once, each in its place. */
export function parsePrices(text: string, file: string): PricesResult {
  const document = parseDocument(text, file)
  if (document.faults.length > 0) return { ok: false, faults: document.faults, text }
  if (document.root === null) {
    const hint = 'the smallest price file has a currency and one price'
    return { ok: false, faults: [{ ...wholeFile(file, 'E103', 'the file is empty'), hint }], text }
  }
  let value: unknown
  try {
    value = document.toValue()
  } catch (err) {
    return { ok: false, faults: [wholeFile(file, 'E104', err instanceof Error ? err.message : String(err))], text }
  }
  const wrong = [...checkShape(value, PriceFileSchema), ...checkRules(value)]
  // What a rule covers is known when all of them can be read.
  const faults = [...wrong, ...(wrong.length === 0 ? checkShadows(value) : [])]
    .map(finding => document.place(finding))
    .sort((a, b) => a.line - b.line || a.column - b.column)
  if (faults.some(({ severity }) => severity === 'error')) return { ok: false, faults, text }
  return { ok: true, prices: value as PriceFile, faults, text }
}

type Loose = { readonly [key: string]: unknown }

/** What no schema can say. */
function checkRules(value: unknown): Finding[] {
  const { prices, discounts } = mapOf(value)
  const rules = listOf(prices).map(mapOf)
  return [
    ...rules.flatMap((rule, index) => [
      ...checkDays(rule, ['prices', index]),
      ...checkOp(mapOf(rule.match).op, ['prices', index, 'match', 'op']),
      ...checkPrice(rule, ['prices', index])
    ]),
    ...listOf(discounts)
      .map(mapOf)
      .flatMap((rule, index) => [
        ...checkDays(rule, ['discounts', index]),
        ...checkOp(rule.op, ['discounts', index, 'op'])
      ])
  ]
}

const DAY = /^\d{4}-\d{2}-\d{2}$/

function checkDays(rule: Loose, at: Path): Finding[] {
  const odd = ['from', 'to'].filter(name => isDay(rule[name]) && !exists(String(rule[name])))
  const isTurned = isDay(rule.from) && isDay(rule.to) && String(rule.from) > String(rule.to)
  return [
    ...odd.map(name => error('E321', [...at, name], `there is no ${rule[name]} in the calendar`)),
    ...(isTurned ? [error('E322', [...at, 'to'], `it ends on ${rule.to}, before it begins on ${rule.from}`)] : [])
  ]
}

function checkOp(op: unknown, at: Path): Finding[] {
  const known = Object.keys(OPERATIONS)
  // A route of `access.routes` is known by its path.
  if (typeof op !== 'string' || op.includes('*') || op.startsWith('/') || known.includes(op)) return []
  return [error('E323', at, `nothing that can be asked for is called "${op}"`, suggest(op, known) ?? known.join(', '))]
}

function checkPrice(rule: Loose, at: Path): Finding[] {
  const million = mapOf(rule.per_million)
  const names = [
    ...Object.keys(million),
    ...['per_audio_minute', 'per_request'].filter(name => rule[name] !== undefined)
  ]
  if (names.length > 0) return []
  const hint = 'per_million, per_audio_minute or per_request; "0" for what is free'
  return [{ code: 'E324', path: at, at: 'key', message: 'it has no price', hint }]
}

/** Prices that one above them always takes the place of. */
function checkShadows(value: unknown): Finding[] {
  const rules = listOf(mapOf(value).prices).map(mapOf)
  return rules.flatMap((rule, index) => {
    const above = rules.slice(0, index).findIndex(other => covers(other, rule))
    if (above === -1) return []
    const hint = 'the first that matches is the price: put the newer and the narrower one above'
    const message = `it never applies: prices[${above}] matches all of it`
    return [{ ...error('W411', ['prices', index], message, hint), severity: 'warning' as const }]
  })
}

function covers(above: Loose, below: Loose): boolean {
  const [one, other] = [mapOf(above.match), mapOf(below.match)]
  const isWider = ['model', 'op', 'team'].every(name => {
    const pattern = one[name] ?? '*'
    return pattern === '*' || pattern === other[name]
  })
  const begins = above.from === undefined || (isDay(below.from) && String(above.from) <= String(below.from))
  const ends = above.to === undefined || (isDay(below.to) && String(above.to) >= String(below.to))
  return isWider && begins && ends
}

function isDay(value: unknown): boolean {
  return typeof value === 'string' && DAY.test(value)
}

function exists(day: string): boolean {
  const time = Date.parse(`${day}T00:00:00Z`)
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(day)
}

function error(code: string, path: Path, message: string, hint?: string): Finding {
  return { code, path, at: 'value', message, ...(hint === undefined ? {} : { hint }) }
}

function mapOf(value: unknown): Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function wholeFile(file: string, code: string, message: string): Fault {
  return { severity: 'error', code, file, line: 1, column: 1, endColumn: 2, path: '', message }
}
