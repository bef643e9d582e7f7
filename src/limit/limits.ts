import { randomBytes } from 'node:crypto'
import type { NowMs } from '../time.ts'
import { Estimator } from './estimate.ts'
import { Leases } from './leases.ts'
import type { LimiterBase } from './limiter.ts'
import { MemoryQuotaStore } from './quota-store-memory.ts'

/** What lasts of limits while configurations come and go, and how to begin and end it. */
export interface OpenLimits extends LimiterBase {
  start(): void
  /** Resolves when what was used is written down where that is possible. */
  close(): Promise<void>
}

/** Opens the limits of a gate. */
export function openLimits({ nowMs }: { readonly nowMs: NowMs }): OpenLimits {
  const store = new MemoryQuotaStore({ nowMs })
  const leases = new Leases(store)
  const gate = randomBytes(9).toString('base64url')
  let calls = 0
  return {
    store,
    leases,
    estimator: new Estimator(),
    tally: { refused: new Map(), shadowed: new Map() },
    nextId: () => `${gate}-${(calls++).toString(36)}`,
    nowMs,
    start: () => leases.start(),
    async close() {
      leases.close()
    }
  }
}
