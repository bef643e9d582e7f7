import type { Engine } from './table.ts'

/** To which engine, written by `route`. */
export interface Target {
  readonly pool: string
  readonly engine: Engine
  /** `scheme://host:port` of the engine. Never shown to a caller. */
  readonly origin: string
  /** `address:port`, where each address of the name is a target of its own. */
  readonly address?: string
}

/** Names a target among those of its pool, for the operator too: its origin, and its address where it is one of several. */
export function targetName({ origin, address }: Pick<Target, 'origin' | 'address'>): string {
  return address === undefined ? origin : `${origin} (${address})`
}
