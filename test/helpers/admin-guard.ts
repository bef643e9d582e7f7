import { AdminGuard } from '../../src/admin/guard.ts'
import type { AdminOptions } from '../../src/admin/options.ts'

/** A guard of the admin listener that delays nothing to speak of. @param lines what it logs */
export function guardOf(options: Partial<AdminOptions> = {}, lines: object[] = [], delayMs = 1): AdminGuard {
  const all = { host: '127.0.0.1', token: null, allowedHosts: [], allowForwarded: false, ...options }
  return new AdminGuard(all, { nowMs: Date.now, log: { warn: facts => lines.push(facts) }, delayMs })
}
