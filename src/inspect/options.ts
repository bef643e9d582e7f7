import type { Engine } from '../engines/table.ts'
import { type Static, Type } from '../schema-types.ts'
import { type Bytes, readBytes, SCOPE, SIZE } from '../units.ts'

/** What `inspect/` needs, from the YAML keys `requests`, `access.routes` and `models.*.aliases`. */
export interface InspectOptions {
  readonly bodyTextBytes: Bytes
  readonly bodyMultimodalBytes: Bytes
  /** Routes that the operator opens besides the closed table. */
  readonly routes: readonly ExtraRoute[]
  /** What the pools run: their tables together are what is served. */
  readonly engines: readonly Engine[]
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

/** The parts of the YAML key `requests` that bodies are read by. */
export const RequestsSchemaParts = {
  body: Type.Object(
    {
      text: Type.String({
        ...SIZE,
        default: '2MiB',
        description: 'Longest body of a caller who may send text alone.'
      }),
      multimodal: Type.String({
        ...SIZE,
        default: '64MiB',
        description: 'Longest body of a caller who may send pictures and sound.'
      })
    },
    { additionalProperties: false, default: {}, description: 'Bounds of request bodies.' }
  )
}

const RequestsSchema = Type.Object(RequestsSchemaParts)

/** One item of the YAML key `access.routes`. */
export const ExtraRouteSchema = Type.Object(
  {
    method: Type.Enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], { description: 'The method.' }),
    path: Type.String({
      pattern: '^(?:/(?!\\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+$',
      expected: 'a plain path such as /v1/fine_tuning/jobs',
      description: 'The exact path; the engine sees the same.'
    }),
    scope: Type.String({
      pattern: SCOPE,
      expected: 'a scope without spaces or quotes',
      description: 'The scope that opens it.'
    }),
    pool: Type.Optional(Type.String({ description: 'The pool that it goes to; else the pools of the team.' }))
  },
  { additionalProperties: false, description: 'A route besides the shared ones.' }
)

/** Reads the keys `requests`, `access.routes` and `models.*.aliases`. */
export function inspectOptions(
  requests: Static<typeof RequestsSchema>,
  routes: readonly Static<typeof ExtraRouteSchema>[],
  models: Readonly<Record<string, { readonly aliases: readonly string[] }>>,
  engines: readonly Engine[]
): InspectOptions {
  return {
    bodyTextBytes: readBytes(requests.body.text),
    bodyMultimodalBytes: readBytes(requests.body.multimodal),
    routes: routes.map(({ method, path, scope, pool }) => ({ method, path, scope, pool: pool ?? null })),
    engines: [...new Set(engines)],
    aliases: new Map(Object.entries(models).flatMap(([name, { aliases }]) => aliases.map(alias => [alias, name])))
  }
}
