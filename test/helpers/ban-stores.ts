import type { BanChange } from '../../src/identify/ban-store.ts'

/** A ban as gates tell of it. */
export function banOf(key: string, leftMs = 600_000, times = 1): BanChange {
  return { key, ban: { ip: key, reason: 'failures', times, sinceMs: 1_700_000_000_000, leftMs } }
}

/** Where a gate begins to read. */
export const BEGINNING = { epoch: '', seq: 0 }
