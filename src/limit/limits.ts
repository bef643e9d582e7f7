import { randomBytes } from 'node:crypto'
import type { ScriptRunner } from '../scripts.ts'
import type { Ms, NowMs } from '../time.ts'
import { TokenRatios } from '../tokens/token-ratios.ts'
import { Estimator } from './estimate.ts'
import { Leases } from './leases.ts'
import type { Backend, LimiterBase } from './limiter.ts'
import type { OnStoreFailure } from './options.ts'
import type { OwnQuotaStore } from './quota-store.ts'
import { ClusteredQuotaStore } from './quota-store-clustered.ts'
import { MemoryQuotaStore } from './quota-store-memory.ts'
import { SharedQuotaStore, type SharedStatus } from './quota-store-shared.ts'
import { ValkeyQuotaStore } from './quota-store-valkey.ts'
import { Tally } from './tally.ts'

/** The store that gates share. */
export interface Sharing {
  /** Its buckets are spread over nodes. */
  readonly isCluster: boolean
  readonly connection: ScriptRunner & { open(): void; close(): Promise<void> }
  readonly onFailure: () => OnStoreFailure
  /** Told once for each change. */
  readonly onChange: (isAway: boolean, of: { readonly why: unknown; readonly dropped: number }) => void
}

/** What lasts of limits while configurations come and go, and how to begin and end it. */
export interface OpenLimits extends LimiterBase {
  /** How many tokens texts are, by what engines have counted. */
  readonly ratios: TokenRatios
  /** How the store is; null where nothing is shared. */
  readonly status: (() => SharedStatus) | null
  start(): void
  /** Resolves when what was used is written down where that is possible. */
  close(): Promise<void>
}

/**
 * Opens the limits of a gate.
 * @param sharing null for limits of this process alone
 * @param onReserved told how long each call has waited for its limits
 */
export function openLimits({
  nowMs,
  sharing = null,
  onReserved = () => {}
}: {
  readonly nowMs: NowMs
  readonly sharing?: Sharing | null
  readonly onReserved?: (backend: Backend, tookMs: Ms) => void
}): OpenLimits {
  const ratios = new TokenRatios()
  const gate = randomBytes(9).toString('base64url')
  let calls = 0
  const nextId = () => `${gate}-${(calls++).toString(36)}`
  const shared = sharing === null ? null : share(sharing, { gate, nextId, nowMs })
  const store: OwnQuotaStore = shared ?? new MemoryQuotaStore({ nowMs })
  const leases = new Leases(store)
  return {
    store,
    leases,
    ratios,
    estimator: new Estimator(ratios),
    tally: new Tally(),
    onReserved,
    nextId,
    nowMs,
    status: shared === null ? null : () => shared.status,
    start() {
      leases.start()
      sharing?.connection.open()
      shared?.start()
    },
    async close() {
      leases.close()
      await shared?.close()
      await sharing?.connection.close()
    }
  }
}

function share(
  { connection, isCluster, onFailure, onChange }: Sharing,
  own: { readonly gate: string; readonly nextId: () => string; readonly nowMs: NowMs }
): SharedQuotaStore {
  const roll = new ValkeyQuotaStore(connection, { isCluster })
  const shared = isCluster ? new ClusteredQuotaStore(roll) : roll
  return new SharedQuotaStore({ ...own, shared, roll, onFailure, onChange })
}
