import { keyRecord } from './audit/key.ts'
import type { AuditRecord } from './audit/record.ts'
import type { KeySet } from './authenticate/keys.ts'
import type { IssuerOptions } from './authenticate/options.ts'
import { createOwnKeys, ownIssuer } from './authenticate/own-keys.ts'
import type { Client } from './caller.ts'
import { accountsReport, loadApiKeys, loadUsers } from './config/accounts.ts'
import { openAccounts } from './mint/account-book.ts'
import { createDesk, TOKEN_EXCHANGE } from './mint/desk.ts'
import { tellOfKey } from './mint/key-line.ts'
import { type LiveKeyRing, openLiveRing } from './mint/live-ring.ts'
import { MAX_TTL_MS, type MintOptions } from './mint/options.ts'
import { PasswordThreads } from './mint/password-threads.ts'
import type { MintPluginOptions } from './mint/plugin.ts'
import { publishedDocuments } from './mint/published.ts'
import { MemoryThrottle } from './mint/throttle.ts'
import { type RunScript, SharedThrottle } from './mint/throttle-shared.ts'
import type { NowMs } from './time.ts'

/** The mint of a gate, and how to begin and end it. */
export interface Minting {
  readonly plugin: MintPluginOptions
  readonly ring: LiveKeyRing
  /** The gate as an issuer whose tokens it verifies. */
  readonly own: { readonly options: IssuerOptions; readonly keySet: KeySet }
  start(): void
  close(): void
}

/** Where tokens are issued. */
export function issuingPaths({ users, apiKeys }: Pick<MintOptions, 'users' | 'apiKeys'>): ReadonlySet<string> {
  return new Set([...(users === null ? [] : ['/login']), ...(apiKeys === null ? [] : ['/token'])])
}

/**
 * Opens the mint: its keys, its accounts, and the desk.
 * @throws AccountsError, KeyRingError with words for the person at the terminal
 */
export function openMint(
  options: MintOptions,
  init: {
    readonly nowMs: NowMs
    readonly log: {
      info(facts: object, message: string): void
      warn(facts: object, message: string): void
      error(facts: object, message: string): void
    }
    /** How the store is asked; null without one. */
    readonly run: RunScript | null
    /** Of the audit log. */
    readonly write: (record: AuditRecord) => void
    /** A failed try of an address, for whoever bans. */
    readonly note: (client: Client, weight: number, what: string) => void
  }
): Minting {
  const { nowMs, log, run, note, write } = init
  const ring = openLiveRing({
    ...options.keys,
    nowMs,
    log,
    onState(change) {
      tellOfKey(change, log)
      write(keyRecord(change, nowMs()))
    }
  })
  const accounts = openAccounts(
    {
      users: options.users,
      apiKeys: options.apiKeys,
      readUsers: file => read(loadUsers(file)),
      readApiKeys: file => read(loadApiKeys(file))
    },
    { log }
  )
  const threads = new PasswordThreads()
  const desk = createDesk({
    nowMs,
    verify: (password, kept) => threads.verify(password, kept),
    options: () => options,
    ring,
    accounts: () => accounts,
    throttle: run === null ? new MemoryThrottle({ nowMs }) : new SharedThrottle({ run, nowMs }),
    note
  })
  const hasTokenEndpoint = options.apiKeys !== null
  const documents = publishedDocuments({
    issuer: options.issuer,
    ring,
    hasTokenEndpoint,
    grants: hasTokenEndpoint ? ['client_credentials', TOKEN_EXCHANGE] : []
  })
  return {
    plugin: { desk, paths: issuingPaths(options), documents },
    ring,
    own: {
      options: ownIssuer({ issuer: options.issuer, audience: options.audience, maxLifetimeMs: MAX_TTL_MS }),
      keySet: createOwnKeys(ring, { nowMs })
    },
    start() {
      accounts.watch()
      ring.start()
    },
    close() {
      accounts.close()
      ring.close()
      threads.close().catch(err => log.warn({ err }, 'password threads did not stop'))
    }
  }
}

function read<T>(result: ReturnType<typeof loadUsers> | ReturnType<typeof loadApiKeys>) {
  return result.ok
    ? { ok: true as const, accounts: result.accounts as ReadonlyMap<string, T> }
    : { ok: false as const, report: accountsReport(result) }
}
