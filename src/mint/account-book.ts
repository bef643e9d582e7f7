import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import type { Ms } from '../time.ts'
import type { Accounts, ApiKey, User } from './accounts.ts'

/** What became of reading a file of accounts. */
export type AccountsRead<T> =
  | { readonly ok: true; readonly accounts: ReadonlyMap<string, T> }
  /** What is wrong, with lines and columns, for the person who edits the file. */
  | { readonly ok: false; readonly report: string }

/** Where accounts are, and how they are read. Absolute paths; null where there is no such file. */
export interface AccountFiles {
  readonly users: string | null
  readonly apiKeys: string | null
  readonly readUsers: (file: string) => AccountsRead<User>
  readonly readApiKeys: (file: string) => AccountsRead<ApiKey>
}

/** Thrown for a file that cannot be used when the gate begins; the message is for the person at the terminal. */
export class AccountsError extends Error {
  override readonly name = 'AccountsError'
}

/** The accounts that the mint goes by, while their files change. */
export interface AccountBook extends Accounts {
  /** Looks at the files until `close`. */
  watch(): void
  close(): void
}

/** Two looks that agree come so far apart. */
const LOOK_MS: Ms = 1_000

/**
 * Opens the files of accounts, and follows them: a change is taken over when two looks have found the same, so that a file that
 * is written in pieces is not read in the middle. A file that cannot be used changes nothing and is logged.
 * @throws AccountsError when a file cannot be used now
 */
export function openAccounts(
  files: AccountFiles,
  init: {
    readonly log: { info(facts: object, message: string): void; error(facts: object, message: string): void }
    readonly lookMs?: Ms
  }
): AccountBook {
  const { log, lookMs = LOOK_MS } = init
  const users = follow(files.users, files.readUsers, log)
  const apiKeys = follow(files.apiKeys, files.readApiKeys, log)
  let clock: NodeJS.Timeout | null = null
  return {
    get users() {
      return users?.accounts ?? null
    },
    get apiKeys() {
      return apiKeys?.accounts ?? null
    },
    watch() {
      clock = setInterval(() => {
        users?.look()
        apiKeys?.look()
      }, lookMs)
      clock.unref()
    },
    close() {
      if (clock !== null) clearInterval(clock)
    }
  }
}

interface Followed<T> {
  readonly accounts: ReadonlyMap<string, T>
  look(): void
}

function follow<T>(
  file: string | null,
  read: (file: string) => AccountsRead<T>,
  log: { info(facts: object, message: string): void; error(facts: object, message: string): void }
): Followed<T> | null {
  if (file === null) return null
  // Before it is read: what changes in between is found by the next look.
  let seen = stateOf(file)
  let before = seen
  const first = read(file)
  if (!first.ok) throw new AccountsError(first.report)
  let { accounts } = first
  return {
    get accounts() {
      return accounts
    },
    look() {
      const now = stateOf(file)
      if (now !== seen && now === before) {
        seen = now
        const next = read(file)
        if (next.ok) {
          accounts = next.accounts
          log.info({ file, accounts: accounts.size }, 'the accounts were read anew')
        } else {
          log.error({ file, report: next.report }, 'the accounts cannot be read; the last good ones stay')
        }
      }
      before = now
    }
  }
}

/** Of the contents and the mode: a mounted secret changes by a symlink, whose times say nothing. */
function stateOf(file: string): string {
  try {
    return `${statSync(file).mode} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`
  } catch (err) {
    return err instanceof Error && 'code' in err ? String(err.code) : 'unreadable'
  }
}
