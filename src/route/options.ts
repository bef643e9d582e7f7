import Type, { type Static } from 'typebox'
import type { Engine } from '../engines/table.ts'

/** What `route/` needs, from the YAML keys `pools`, `models` and `teams`. */
export interface RouteOptions {
  readonly pools: ReadonlyMap<string, PoolOptions>
  /** Team → its share; the team `*` is any other. */
  readonly teams: ReadonlyMap<string, TeamOptions>
}

/** The part of a pool that routing needs. */
export interface PoolOptions {
  readonly name: string
  readonly engine: Engine
  /** Origins, `scheme://host:port`. Never empty. */
  readonly targets: readonly string[]
  /** The models that the pool serves; null: learned from the engine's `/v1/models`. */
  readonly models: readonly string[] | null
}

/** One team. */
export interface TeamOptions {
  /** Names of pools, in the order in which they are asked for a model. Never empty. */
  readonly pools: readonly string[]
  /** The models that the team may use; null: all of its pools. */
  readonly models: readonly string[] | null
}

/** One item of the YAML key `teams`. */
export const TeamSchema = Type.Object(
  {
    pool: Type.Optional(Type.String({ minLength: 1, description: 'The pool of the team.' })),
    pools: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'Or several; the first that serves the model takes the call.'
      })
    ),
    models: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: 'The models that the team may use; all of its pools unless given.'
      })
    )
  },
  { additionalProperties: false, description: 'A team.' }
)

/** Reads the routing part of the keys `pools` and `teams`. */
export function routeOptions(
  pools: readonly PoolOptions[],
  teams: Readonly<Record<string, Static<typeof TeamSchema>>>
): RouteOptions {
  return {
    pools: new Map(pools.map(pool => [pool.name, pool])),
    teams: new Map(
      Object.entries(teams).map(([name, { pool, pools: several, models }]) => [
        name,
        { pools: several ?? (pool === undefined ? [] : [pool]), models: models ?? null }
      ])
    )
  }
}
