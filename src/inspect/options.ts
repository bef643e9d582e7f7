import type { Bytes } from '../units.ts'

/** What `inspect/` needs, from the YAML keys `requests`, `access.routes` and `models.*.aliases`. */
export interface InspectOptions {
  readonly bodyTextBytes: Bytes
  readonly bodyMultimodalBytes: Bytes
  /** Routes that the operator opens besides the closed table. */
  readonly routes: readonly ExtraRoute[]
  /** Alias → model. */
  readonly aliases: ReadonlyMap<string, string>
}

/** A route of `access.routes`. Its path is a constant, without parameters. */
export interface ExtraRoute {
  readonly method: string
  readonly path: string
  readonly scope: string
  /** Null: the team's pools decide, by the body's `model`. */
  readonly pool: string | null
}
