import { readFileSync, statSync } from 'node:fs'
import type { RevocationEntry } from '../authenticate/options.ts'
import { Type } from '../schema-types.ts'
import { parseDocument } from './document.ts'
import type { Fault, Finding, Path } from './faults.ts'
import { suggest } from './faults.ts'
import { error, listOf, mapOf } from './loose.ts'
import { reportText } from './report.ts'
import { checkShape } from './shape.ts'

/** A file larger than that is not read: ten thousand revocations are smaller. */
const MAX_BYTES = 4 * 1024 * 1024
const KINDS = ['jti', 'sub', 'team', 'kid'] as const

const WHEN = '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,3})?)?(Z|[+-]\\d{2}:\\d{2})$'
const NAME = { minLength: 1, maxLength: 1024, expected: 'a text that is not empty' } as const

/** The file of revocations. */
const RevocationFileSchema = Type.Object(
  {
    revocations: Type.Array(
      Type.Object(
        {
          jti: Type.Optional(Type.String(NAME)),
          sub: Type.Optional(Type.String(NAME)),
          team: Type.Optional(Type.String(NAME)),
          kid: Type.Optional(Type.String(NAME)),
          issuer: Type.Optional(Type.String(NAME)),
          issued_before: Type.Optional(Type.String({ pattern: WHEN, expected: 'a time such as 2026-01-31T12:00:00Z' })),
          cut_streams: Type.Optional(Type.Boolean()),
          reason: Type.Optional(Type.String({ maxLength: 200, expected: 'a text of at most 200 characters' }))
        },
        { additionalProperties: false }
      ),
      { maxItems: 10_000, expected: 'a list of at most 10000 revocations' }
    )
  },
  { additionalProperties: false }
)

/** The issuers of the configuration, as they may be named. */
type Issuers = readonly { readonly name: string; readonly issuer: string }[]

/** What a file revokes, or everything that is wrong with it. */
export type RevocationsResult =
  | { readonly ok: true; readonly faults: readonly []; readonly entries: readonly RevocationEntry[] }
  /** `text` is null when the file could not be read. */
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly text: string | null; readonly report: string }

/** Reads a file of revocations. Never throws: the report says what is wrong, with line and column. */
export function loadRevocations(file: string, issuers: Issuers): RevocationsResult {
  const fault = (code: string, message: string) =>
    failed([{ severity: 'error', code, file, line: 1, column: 1, endColumn: 2, path: '', message }], null)
  let text: string
  try {
    const { size } = statSync(file)
    if (size > MAX_BYTES) return fault('E345', `the file is larger than ${MAX_BYTES} bytes`)
    text = readFileSync(file, 'utf8')
  } catch (err) {
    return fault('E100', `the file cannot be read (${err instanceof Error && 'code' in err ? err.code : err})`)
  }
  const document = parseDocument(text, file)
  if (document.faults.length > 0) return failed(document.faults, text)
  // Half of a file that is being written may be empty: a file that revokes nothing says so.
  if (document.root === null) return fault('E103', 'the file is empty; "revocations: []" revokes nothing')
  let value: unknown
  try {
    value = document.toValue()
  } catch (err) {
    return fault('E104', err instanceof Error ? err.message : String(err))
  }
  const findings = [...checkShape(value, RevocationFileSchema), ...checkEntries(value, issuers)]
  if (findings.length > 0) {
    const faults = findings
      .map(finding => document.place(finding))
      .sort((a, b) => a.line - b.line || a.column - b.column)
    return failed(faults, text)
  }
  return { ok: true, faults: [], entries: listOf(mapOf(value).revocations).map(item => entryOf(mapOf(item), issuers)) }
}

function failed(faults: readonly Fault[], text: string | null): RevocationsResult {
  // A file full of faults is not told of line by line.
  const shown = faults.slice(0, 20)
  return { ok: false, faults, text, report: reportText({ faults: shown, text: null, secrets: [] }, { color: false }) }
}

function checkEntries(value: unknown, issuers: Issuers): Finding[] {
  const seen = new Map<string, number>()
  return listOf(mapOf(value).revocations).flatMap((item, index) => {
    const one = mapOf(item)
    const at: Path = ['revocations', index]
    const kinds = KINDS.filter(kind => one[kind] !== undefined)
    const [kind] = kinds
    if (kind === undefined || kinds.length > 1) {
      return [error('E341', at, 'a revocation names exactly one of jti, sub, team, kid')]
    }
    const findings: Finding[] = []
    const { issuer, issued_before: before } = one
    const names = issuers.map(({ name }) => name)
    if (issuer === undefined && kind !== 'team' && issuers.length > 1) {
      findings.push(error('E342', at, `a ${kind} belongs to an issuer: name it`, `issuers: ${names.join(', ')}`))
    } else if (typeof issuer === 'string' && find(issuer, issuers) === undefined) {
      const hint = suggest(issuer, names) ?? `issuers: ${names.join(', ')}`
      findings.push(error('E342', [...at, 'issuer'], `no issuer is called "${issuer}"`, hint))
    }
    if (typeof before === 'string') {
      const ms = Date.parse(before)
      const where: Path = [...at, 'issued_before']
      if (kind === 'jti' || kind === 'kid') findings.push(error('E344', where, `a ${kind} is revoked as a whole`))
      else if (Number.isNaN(ms)) findings.push(error('E344', where, `there is no ${before} in the calendar`))
      else if (ms > Date.now()) findings.push(error('E344', where, 'it lies in the future'))
    }
    const key = JSON.stringify([kind, one[kind], issuerOf(one, issuers)])
    const first = seen.get(key)
    if (first !== undefined) findings.push(error('E343', at, `it stands twice, also as revocations[${first}]`))
    else seen.set(key, index)
    return findings
  })
}

function entryOf(one: ReturnType<typeof mapOf>, issuers: Issuers): RevocationEntry {
  const kind = KINDS.find(name => one[name] !== undefined) ?? 'jti'
  const { issued_before: before, cut_streams: cutStreams, reason } = one
  return {
    kind,
    iss: issuerOf(one, issuers),
    value: String(one[kind]),
    beforeMs: typeof before === 'string' ? Date.parse(before) : null,
    cutStreams: typeof cutStreams === 'boolean' ? cutStreams : null,
    reason: typeof reason === 'string' ? reason : null
  }
}

function issuerOf(one: ReturnType<typeof mapOf>, issuers: Issuers): string | null {
  if (typeof one.issuer === 'string') return find(one.issuer, issuers)?.issuer ?? null
  return one.team === undefined ? (issuers[0]?.issuer ?? null) : null
}

function find(named: string, issuers: Issuers) {
  return issuers.find(({ name, issuer }) => name === named || issuer === named)
}
