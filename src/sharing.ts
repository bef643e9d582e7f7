import type { Logger } from 'pino'
import type { Sharing } from './limit/limits.ts'
import type { OnStoreFailure } from './limit/options.ts'
import type { StoreConnection } from './store/valkey.ts'

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
