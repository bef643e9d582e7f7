import type { AccountKind, AccountsResult } from './accounts.ts'
import { accountsReport, loadApiKeys, loadUsers } from './accounts.ts'
import { EditError, editAccounts } from './edit-accounts.ts'
import { loadConfig } from './load.ts'
import { reportFile } from './report.ts'

/** How commands reach the files of accounts, and what the configuration says of keys. */
export function accountTools(env: NodeJS.ProcessEnv) {
  return {
    fileOf(config: string, kind: AccountKind): string {
      const loaded = loadConfig(config, env)
      if (!loaded.ok) throw new EditError(reportFile(config, loaded).trimEnd())
      const file = kind === 'users' ? loaded.config.mint?.users : loaded.config.mint?.apiKeys
      if (file == null) throw new EditError(`${config} names no file: mint.${kind} is not set`)
      return file
    },
    keysOf(config: string) {
      const loaded = loadConfig(config, env)
      if (!loaded.ok) throw new EditError(reportFile(config, loaded).trimEnd())
      if (loaded.config.mint === null) throw new EditError(`${config} has no mint`)
      return loaded.config.mint.keys
    },
    users: (file: string) => accountsOf(loadUsers(file, { isOperator: true })),
    apiKeys: (file: string) => accountsOf(loadApiKeys(file, { isOperator: true })),
    edit: editAccounts
  }
}

function accountsOf<T>(read: AccountsResult<T>): ReadonlyMap<string, T> {
  if (read.ok) return read.accounts
  throw new EditError(accountsReport(read).trimEnd())
}
