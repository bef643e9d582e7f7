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

/** The kind of server that a pool's targets run. */
export type Engine = 'vllm' | 'sglang' | 'lmdeploy' | 'swift' | 'openai'

/** One team. */
export interface TeamOptions {
  /** Names of pools, in the order in which they are asked for a model. Never empty. */
  readonly pools: readonly string[]
  /** The models that the team may use; null: all of its pools. */
  readonly models: readonly string[] | null
}
