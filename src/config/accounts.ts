import { readFileSync, statSync } from 'node:fs'
import type { ApiKey, User } from '../mint/accounts.ts'
import {
  type AccountFinding,
  ApiKeysFileSchema,
  type ApiKeysYaml,
  apiKeysFrom,
  checkApiKeys,
  checkUsers,
  UsersFileSchema,
  type UsersYaml,
  usersFrom
} from '../mint/accounts-file.ts'
import { parseDocument } from './document.ts'
import type { Fault } from './faults.ts'
import { reportText } from './report.ts'
import { checkShape } from './shape.ts'

/** Which file of accounts it is. */
export type AccountKind = 'users' | 'api_keys'

/** The accounts of a file, or everything that is wrong with it. */
export type AccountsResult<T> =
  | {
      readonly ok: true
      readonly accounts: ReadonlyMap<string, T>
      readonly faults: readonly Fault[]
      readonly text: string
    }
  /** `text` is null when the file could not be read. */
  | { readonly ok: false; readonly faults: readonly Fault[]; readonly text: string | null }

/**
 * Writes what is wrong with a file of accounts for a person: places and words, without the lines themselves, which hold hashes or
 * what somebody took for one.
 */
export function accountsReport(
  result: Pick<AccountsResult<unknown>, 'faults' | 'text'>,
  { color = false } = {}
): string {
  const secrets = result.text?.match(/[A-Za-z0-9+/=]{20,}/g) ?? []
  return reportText({ faults: result.faults, text: null, secrets }, { color })
}

/** Reads a users file. Never throws: whatever is wrong is a fault with a place. */
export function loadUsers(file: string): AccountsResult<User> {
  return load(file, text => parseUsers(text, file))
}

/** Reads an API keys file. Never throws. */
export function loadApiKeys(file: string): AccountsResult<ApiKey> {
  return load(file, text => parseApiKeys(text, file))
}

/** Reads the text of a users file: all faults at once, each in its place. */
export function parseUsers(text: string, file: string): AccountsResult<User> {
  return parse(text, file, {
    kind: 'users',
    schema: UsersFileSchema,
    check: checkUsers,
    from: value => usersFrom(value as UsersYaml)
  })
}

/** Reads the text of an API keys file likewise. */
export function parseApiKeys(text: string, file: string): AccountsResult<ApiKey> {
  return parse(text, file, {
    kind: 'api_keys',
    schema: ApiKeysFileSchema,
    check: checkApiKeys,
    from: value => apiKeysFrom(value as ApiKeysYaml)
  })
}

function load<T>(file: string, read: (text: string) => AccountsResult<T>): AccountsResult<T> {
  const faults = (code: string, message: string, hint?: string) => [
    { ...wholeFile(file, code, message), ...(hint === undefined ? {} : { hint }) }
  ]
  try {
    // Of what is opened, not of what a name stands for: a mounted secret is a link to a link.
    const text = readFileSync(file, 'utf8')
    if ((statSync(file).mode & 0o077) !== 0) {
      const message = 'the file can be read by others than its owner'
      return { ok: false, faults: faults('E361', message, `run: chmod 600 ${file}`), text: null }
    }
    return read(text)
  } catch (err) {
    const why = err instanceof Error && 'code' in err ? `cannot be read (${err.code})` : String(err)
    return { ok: false, faults: faults('E360', `the file ${why}`), text: null }
  }
}

interface Reading<T> {
  readonly kind: AccountKind
  readonly schema: object
  readonly check: (value: unknown) => readonly AccountFinding[]
  readonly from: (value: unknown) => ReadonlyMap<string, T>
}

function parse<T>(text: string, file: string, { kind, schema, check, from }: Reading<T>): AccountsResult<T> {
  const document = parseDocument(text, file)
  if (document.faults.length > 0) return { ok: false, faults: document.faults, text }
  if (document.root === null) {
    const hint = `one without accounts says '${kind}: {}'`
    return { ok: false, faults: [{ ...wholeFile(file, 'E103', 'the file is empty'), hint }], text }
  }
  let value: unknown
  try {
    value = document.toValue()
  } catch (err) {
    return { ok: false, faults: [wholeFile(file, 'E104', err instanceof Error ? err.message : String(err))], text }
  }
  const faults = [...checkShape(value, schema), ...check(value)]
    .map(finding => document.place(finding))
    .sort((a, b) => a.line - b.line || a.column - b.column)
  if (faults.some(({ severity }) => severity === 'error')) return { ok: false, faults, text }
  return { ok: true, accounts: from(value), faults, text }
}

function wholeFile(file: string, code: string, message: string): Fault {
  return { severity: 'error', code, file, line: 1, column: 1, endColumn: 2, path: '', message }
}
