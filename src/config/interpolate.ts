import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { ConfigDocument } from './document.ts'
import { type Finding, nameShown, type Path } from './faults.ts'
import { fileWarnings } from './secret-files.ts'

const REFERENCE = /^\$\{(env|file):([^}]+)\}$/

/** What interpolation found, and the secrets that no output may show. */
export interface Interpolated {
  readonly findings: readonly Finding[]
  readonly secrets: readonly string[]
  /** Absolute paths of the files that were named, readable or not. */
  readonly files: readonly string[]
}

/**
 * Replaces `${env:X}` and `${file:PATH}` where a secret can stand. Works on the parsed scalars, never on the text, so
 * that a value cannot become structure.
 */
export function interpolate(
  document: ConfigDocument,
  init: { readonly file: string; readonly env: NodeJS.ProcessEnv; readonly isSecret: (path: Path) => boolean }
): Interpolated {
  const findings: Finding[] = []
  const secrets: string[] = []
  const files: string[] = []
  for (const { path, value, set } of document.scalars()) {
    if (typeof value !== 'string') continue
    const reference = REFERENCE.exec(value)
    const finding = (code: string, message: string, hint?: string): Finding => ({
      code,
      path,
      at: 'value',
      message,
      ...(hint === undefined ? {} : { hint })
    })
    if (!init.isSecret(path)) {
      if (value.includes('${')) {
        findings.push(
          finding('E203', 'no reference may stand here', '${env:X} and ${file:X} work where a secret stands')
        )
      }
      continue
    }
    if (reference === null) {
      secrets.push(value)
      if (value.includes('${')) {
        findings.push(finding('E203', 'the whole value must be one ${env:NAME} or ${file:PATH}'))
      } else {
        findings.push({
          ...finding('W401', 'a secret stands in the file itself', 'write ${env:NAME} or ${file:PATH}'),
          severity: 'warning'
        })
      }
      continue
    }
    const [, kind, name = ''] = reference
    if (kind === 'file') files.push(resolve(dirname(init.file), name))
    try {
      const secret = kind === 'env' ? fromEnv(name, init.env) : readFileSync(resolve(dirname(init.file), name), 'utf8')
      const trimmed = secret.replace(/\r?\n$/, '')
      if (trimmed === '') throw new Error('is empty')
      set(trimmed)
      secrets.push(trimmed)
      if (kind === 'file') findings.push(...fileWarnings(path, name, statSync(resolve(dirname(init.file), name))))
    } catch (err) {
      set('')
      findings.push(
        finding('E204', `${kind === 'env' ? 'the variable' : 'the file'} ${nameShown(name)} ${reasonOf(err)}`)
      )
    }
  }
  return { findings, secrets, files }
}

function fromEnv(name: string, env: NodeJS.ProcessEnv): string {
  const value = env[name]
  if (value === undefined) throw new Error('is not set')
  return value
}

function reasonOf(err: unknown): string {
  if (!(err instanceof Error)) return 'cannot be read'
  return 'code' in err ? `cannot be read (${err.code})` : err.message
}
