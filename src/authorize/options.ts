import { type Static, Type } from '../schema-types.ts'
import { SCOPE } from '../units.ts'

/** What `authorize/` needs, from the YAML keys `access` and `models.*.scope`. */
export interface AuthorizeOptions {
  /** `families`: a family that the token carries restricts. `all`: one scope of each family is demanded. */
  readonly scopes: 'families' | 'all'
  /** Role → the scopes that it adds. */
  readonly roles: ReadonlyMap<string, readonly string[]>
  /** Model → the scope that opens it, where it is not `model:NAME:inference`. */
  readonly modelScopes: ReadonlyMap<string, string>
}

const scope = Type.String({ pattern: SCOPE, expected: 'a scope without spaces or quotes' })

/** One item of the YAML key `models`. */
export const ModelSchema = Type.Object(
  {
    aliases: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'Other names that callers may use.'
    }),
    scope: Type.Optional(
      Type.String({
        pattern: SCOPE,
        expected: 'a scope without spaces or quotes',
        description: 'The scope that opens it, instead of model:NAME:inference.'
      })
    )
  },
  { additionalProperties: false, description: 'A model.' }
)

/** The YAML keys `access.scopes` and `access.roles`. */
export const AccessSchemaParts = {
  scopes: Type.Enum(['families', 'all'], {
    default: 'families',
    description:
      '`families`: a family of scopes that a token carries restricts it. `all`: one scope of each family is demanded.'
  }),
  roles: Type.Record(Type.String(), Type.Array(scope), {
    default: {},
    description: 'What the `role` claim of a token adds: a list of scopes for each role.'
  })
}

/** Reads the keys `access` and `models.*.scope`. */
export function authorizeOptions(
  access: { readonly scopes: string; readonly roles: Readonly<Record<string, readonly string[]>> },
  models: Readonly<Record<string, Static<typeof ModelSchema>>>
): AuthorizeOptions {
  return {
    scopes: access.scopes === 'all' ? 'all' : 'families',
    roles: new Map(Object.entries(access.roles)),
    modelScopes: new Map(
      Object.entries(models).flatMap(([name, model]) =>
        model.scope === undefined ? [] : [[name, model.scope] as const]
      )
    )
  }
}
