import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { masked } from './changes.ts'
import { crossCheck, filesOf } from './cross-check.ts'
import { parseDocument } from './document.ts'
import type { Fault } from './faults.ts'
import { interpolate } from './interpolate.ts'
import { type Config, configFrom, type FileYaml } from './schema.ts'
import { checkShape, isSecretPath } from './shape.ts'

export type { Config } from './schema.ts'

/** A configuration, or everything that is wrong with it. */
export type LoadResult = Loaded | Faulty

/** A configuration without errors. */
export interface Loaded {
  readonly ok: true
  readonly config: Config
  /** The file as it was read, its defaults and secrets in place. */
  readonly yaml: FileYaml
  readonly faults: readonly Fault[]
  readonly text: string
  readonly secrets: readonly string[]
  readonly files: readonly string[]
}

/** A file with at least one error. */
export interface Faulty {
  readonly ok: false
  readonly faults: readonly Fault[]
  /** Null when the file could not be read. */
  readonly text: string | null
  readonly secrets: readonly string[]
  /** Absolute paths of every file that was read, or should have been. */
  readonly files: readonly string[]
}

/** Reads a configuration file. Never throws: whatever is wrong is a fault with a place. */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): LoadResult {
  try {
    return parseConfig(readFileSync(file, 'utf8'), { file, env })
  } catch (err) {
    const why = err instanceof Error && 'code' in err ? `cannot be read (${err.code})` : String(err)
    return {
      ok: false,
      faults: [wholeFile(file, 'E100', `the file ${why}`)],
      text: null,
      secrets: [],
      files: [resolve(file)]
    }
  }
}

/** Reads the text of a configuration file: all faults at once, each in its place. */
export function parseConfig(
  text: string,
  init: { readonly file: string; readonly env: NodeJS.ProcessEnv }
): LoadResult {
  const { file, env } = init
  const files = [resolve(file)]
  const document = parseDocument(text, file)
  if (document.root === null && document.faults.length === 0) {
    const hint = 'the smallest file has issuers, pools and teams'
    return { ok: false, faults: [{ ...wholeFile(file, 'E103', 'the file is empty'), hint }], text, secrets: [], files }
  }
  // What follows a broken text would be noise: the parser guesses at what was meant.
  if (document.faults.length > 0) return { ok: false, faults: document.faults, text, secrets: [], files }

  const { findings: references, secrets, files: named } = interpolate(document, { file, env, isSecret: isSecretPath })
  files.push(...named)
  let value: unknown
  try {
    value = document.toValue()
  } catch (err) {
    return {
      ok: false,
      faults: [wholeFile(file, 'E104', err instanceof Error ? err.message : String(err))],
      text,
      secrets,
      files
    }
  }
  // A secret that could not be found has its fault already.
  const missing = new Set(references.filter(({ code }) => code === 'E204').map(({ path }) => path.join('\n')))
  const related = crossCheck(file, value)
  files.push(...filesOf(value, file))
  const shape = checkShape(value).filter(({ path }) => !missing.has(path.join('\n')))
  const faults = [...shape, ...references, ...related].map(finding => document.place(finding)).sort(byPlace)
  if (faults.some(fault => fault.severity === 'error')) return { ok: false, faults, text, secrets, files }
  const yaml = value as FileYaml
  const hash = `sha256:${createHash('sha256')
    .update(JSON.stringify(masked(yaml, isSecretPath)))
    .digest('hex')}`
  return { ok: true, config: configFrom(yaml, { file, hash }), yaml, faults, text, secrets, files }
}

function byPlace(a: Fault, b: Fault): number {
  return a.line - b.line || a.column - b.column
}

function wholeFile(file: string, code: string, message: string): Fault {
  return { severity: 'error', code, file, line: 1, column: 1, endColumn: 2, path: '', message }
}
