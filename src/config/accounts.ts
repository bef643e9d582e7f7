import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
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
import { isExposed, isForeign, type Ownership } from '../private-files.ts'
import { parseDocument } from './document.ts'
import type { Fault, Finding } from './faults.ts'
import { mapOf, warning } from './loose.ts'
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

/** The teams that are served, `*` for any other; null where nobody asks for them. */
type Teams = Pick<ReadonlySet<string>, 'has'> | null

/** How a file of accounts is read. */
export interface AccountsLoad {
  readonly teams?: Teams
  /** A command, not a gate: as root it may read what belongs to the gate's own user. */
  readonly isOperator?: boolean
}

/** Reads a users file. Never throws: whatever is wrong is a fault with a place. */
export function loadUsers(file: string, { teams = null, isOperator = false }: AccountsLoad = {}): AccountsResult<User> {
  return load(file, { maker: 'users add', isOperator }, text => parseUsers(text, file, teams))
}

/** Reads an API keys file. Never throws. */
export function loadApiKeys(
  file: string,
  { teams = null, isOperator = false }: AccountsLoad = {}
): AccountsResult<ApiKey> {
  return load(file, { maker: 'api-keys create', isOperator }, text => parseApiKeys(text, file, teams))
}

/** Reads the text of a users file: all faults at once, each in its place. */
export function parseUsers(text: string, file: string, teams: Teams = null): AccountsResult<User> {
  return parse(text, file, {
    kind: 'users',
    teams,
    schema: UsersFileSchema,
    check: checkUsers,
    from: value => usersFrom(value as UsersYaml)
  })
}

/** Reads the text of an API keys file likewise. */
export function parseApiKeys(text: string, file: string, teams: Teams = null): AccountsResult<ApiKey> {
  return parse(text, file, {
    kind: 'api_keys',
    teams,
    schema: ApiKeysFileSchema,
    check: checkApiKeys,
    from: value => apiKeysFrom(value as ApiKeysYaml)
  })
}

function load<T>(
  file: string,
  { maker, isOperator }: { readonly maker: string; readonly isOperator: boolean },
  read: (text: string) => AccountsResult<T>
): AccountsResult<T> {
  const faults = (code: string, message: string, hint?: string) => [
    { ...wholeFile(file, code, message), ...(hint === undefined ? {} : { hint }) }
  ]
  try {
    const { text, owner } = readOwned(file)
    if (isForeign(owner, { isOperator })) {
      const message = `the file belongs to another user (uid ${owner.uid})`
      return { ok: false, faults: faults('E361', message, `run: chown ${process.getuid?.()} ${file}`), text: null }
    }
    if (isExposed(owner)) {
      const message = 'the file can be read by others than its owner'
      return { ok: false, faults: faults('E361', message, `run: chmod 600 ${file}`), text: null }
    }
    return read(text)
  } catch (err) {
    const code = err instanceof Error && 'code' in err ? err.code : String(err)
    const hint = code === 'ENOENT' ? `'tollgate ${maker}' makes it` : undefined
    return { ok: false, faults: faults('E360', `the file cannot be read (${code})`, hint), text: null }
  }
}

/** Of what is opened, not of what a name stands for: a mounted secret is a link to a link. */
function readOwned(file: string): { readonly text: string; readonly owner: Ownership } {
  const fd = openSync(file, 'r')
  try {
    return { owner: fstatSync(fd), text: readFileSync(fd, 'utf8') }
  } finally {
    closeSync(fd)
  }
}

interface Reading<T> {
  readonly kind: AccountKind
  readonly teams: Teams
  readonly schema: object
  readonly check: (value: unknown) => readonly AccountFinding[]
  readonly from: (value: unknown) => ReadonlyMap<string, T>
}

function parse<T>(text: string, file: string, { kind, teams, schema, check, from }: Reading<T>): AccountsResult<T> {
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
  const faults = [...checkShape(value, schema), ...check(value), ...checkTeams(value, kind, teams)]
    .map(finding => document.place(finding))
    .sort((a, b) => a.line - b.line || a.column - b.column)
  if (faults.some(({ severity }) => severity === 'error')) return { ok: false, faults, text }
  return { ok: true, accounts: from(value), faults, text }
}

/** Whoever has no pool may have tokens, and every call with one is refused. */
function checkTeams(value: unknown, kind: AccountKind, teams: Teams): Finding[] {
  if (teams === null || teams.has('*')) return []
  return Object.entries(mapOf(mapOf(value)[kind])).flatMap(([name, entry]) => {
    const { team } = mapOf(entry)
    if (typeof team !== 'string' || teams.has(team)) return []
    return [warning('W412', [kind, name, 'team'], `the configuration has no team "${team}": its calls are refused`)]
  })
}

function wholeFile(file: string, code: string, message: string): Fault {
  return { severity: 'error', code, file, line: 1, column: 1, endColumn: 2, path: '', message }
}
