import { accountTools } from '../../src/config/account-tools.ts'
import type { AccountTools } from '../../src/mint/account-tools.ts'

/** The real files, without a configuration. */
export const tools: AccountTools = { ...accountTools({}), fileOf: config => `${config}-names-it` }
