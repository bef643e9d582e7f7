import type { Logger } from 'pino'
import type { Sharing } from './limit/limits.ts'
import type { OnStoreFailure } from './limit/options.ts'
import type { StoreSeen } from './metrics/surroundings.ts'
import type { StoreOptions } from './store/options.ts'
import { connectStore, type StoreConnection } from './store/valkey.ts'

const AWAY = 'the store of limits is away: limits.on_store_failure decides'

/** How limits are shared through a store, and what the operator is told of it. */
export function sharingOf(
  store: { readonly isCluster: boolean; readonly connection: StoreConnection },
  { log, onFailure }: { readonly log: Logger; readonly onFailure: () => OnStoreFailure }
): Sharing {
  return {
    ...store,
    onFailure,
    onChange(isAway, { why, dropped }) {
      // Of what failed its words alone: the library hangs the whole command on its errors.
      const words = why instanceof Error ? why.message : why
      if (isAway) log.warn({ why: words, limits: onFailure() }, AWAY)
      else log.warn({ dropped }, 'the store of limits is there again')
    }
  }
}

/** Makes the connection to the store, of which the operator is told each cause once. @returns null without a store */
export function openStore(
  options: StoreOptions | null,
  log: Logger
): { readonly isCluster: boolean; readonly connection: StoreConnection } | null {
  if (options === null) return null
  const events = {
    down: (of: object) => log.warn(of, 'store unavailable'),
    up: () => log.warn('store available again'),
    warn: (of: object) => log.warn(of, 'store warning')
  }
  return { isCluster: options.isCluster, connection: connectStore(options, { events }) }
}

/** What Prometheus is told of the store: whether each use of it was answered last. */
export function storeSeen(
  connection: StoreConnection | null,
  uses: {
    readonly limits: { readonly status: (() => { readonly answers: boolean }) | null }
    readonly banning: { storeAnswers(): boolean }
    readonly revocations: () => { readonly store: { readonly state: string } | null }
  }
): () => StoreSeen | null {
  return () => {
    if (connection === null) return null
    const { state, warnings } = connection.status
    const answers = {
      connection: state === 'up',
      limits: uses.limits.status?.().answers === true,
      bans: uses.banning.storeAnswers(),
      revocations: uses.revocations().store?.state === 'there'
    }
    return { answers, warnings }
  }
}
