import { randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync
} from 'node:fs'
import { isMap, parseDocument, type YAMLMap } from 'yaml'
import { isLink } from '../private-files.ts'
import { takeLock } from '../segments/lock.ts'
import { type AccountKind, accountsReport, loadApiKeys, loadUsers, parseApiKeys, parseUsers } from './accounts.ts'

/** One account as it stands in a file. */
export type Entry = Readonly<Record<string, string | boolean | readonly string[]>>

/** The accounts of a file while it is edited. */
export interface Entries {
  has(name: string): boolean
  /** Adds an account at the end. */
  add(name: string, entry: Entry): void
  /** Sets one value of an account, or takes it away. */
  set(name: string, key: string, value: string | boolean | undefined): void
  remove(name: string): void
}

/** Thrown for a file that cannot be edited as it is; the message is for the person at the terminal. */
export class EditError extends Error {
  override readonly name = 'EditError'
}

const KINDS = {
  users: { load: loadUsers, parse: parseUsers },
  api_keys: { load: loadApiKeys, parse: parseApiKeys }
} as const

/**
 * Changes a file of accounts: whole or not at all, for its owner alone (0600), with the comments of whoever wrote it. One program
 * at a time. A file that is missing is made, where `mayMake` says so.
 *
 * @throws EditError when it has faults, when another program edits it, when it is missing
 * @throws the file system's error
 */
export function editAccounts(
  file: string,
  kind: AccountKind,
  change: (entries: Entries) => void,
  { mayMake = false }: { readonly mayMake?: boolean } = {}
): void {
  const { load, parse } = KINDS[kind]
  const isThere = statSync(file, { throwIfNoEntry: false }) !== undefined
  if (!isThere && isLink(file)) throw new EditError(`${file} is a link to what is not there`)
  if (!isThere && !mayMake) throw new EditError(`there is no file ${file}`)
  // The file, not the link to it.
  const real = isThere ? realpathSync(file) : file
  const lock = takeLock(`${real}.lock`)
  if (lock === null) throw new EditError(`another program edits ${file} just now`)
  try {
    const before = isThere ? load(real, { isOperator: true }) : null
    if (before?.ok === false) throw new EditError(accountsReport(before).trimEnd())
    const document = parseDocument(isThere ? readFileSync(real, 'utf8') : `${kind}: {}\n`)
    const all = document.get(kind)
    if (!isMap(all)) throw new EditError(`${file} has no map '${kind}'`)
    change(entriesOf(all, value => document.createNode(value)))
    const text = document.toString({ lineWidth: 0 })
    const after = parse(text, file)
    if (!after.ok) throw new EditError(accountsReport(after).trimEnd())
    writeWhole(real, text, isThere ? statSync(real) : null)
  } finally {
    lock.release()
  }
}

function entriesOf(all: YAMLMap, nodeOf: (value: unknown) => unknown): Entries {
  return {
    has: name => all.has(name),
    add(name, entry) {
      const node = nodeOf(entry) as YAMLMap
      for (const pair of node.items) {
        const value = pair.value as { flow?: boolean; items?: unknown } | null
        if (value?.items !== undefined) value.flow = true
      }
      all.flow = false
      all.set(name, node)
    },
    set(name, key, value) {
      if (value === undefined) all.deleteIn([name, key])
      else all.setIn([name, key], value)
    },
    remove(name) {
      all.delete(name)
      if (all.items.length === 0) all.flow = true
    }
  }
}

function writeWhole(file: string, text: string, of: { readonly uid: number; readonly gid: number } | null): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  const descriptor = openSync(draft, 'wx', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
    // Whoever edits as root leaves it to the gate's own user.
    if (of !== null && process.getuid?.() === 0) chownSync(draft, of.uid, of.gid)
    closeSync(descriptor)
    renameSync(draft, file)
  } catch (err) {
    rmSync(draft, { force: true })
    throw err
  }
}
