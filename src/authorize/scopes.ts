import type { Identity } from '../exchange.ts'

/** What a set of scopes says, sorted into families (decision: exact words, no patterns). */
export interface Grants {
  /** `infer:*` family: which kinds of call. */
  readonly kinds: ReadonlySet<string>
  /** `model:NAME:inference` family: which models, `*` for any. */
  readonly models: ReadonlySet<string>
  /** Whether any scope opens a model: one of that family, or one that the configuration gives to a model. */
  readonly hasModels: boolean
  /** Every scope as it stands, for routes that name one and models with a scope of their own. */
  readonly all: ReadonlySet<string>
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ['infer:text', 'text'],
  ['infer:multimodal', 'multimodal']
])
const MODEL_PREFIX = 'model:'
const MODEL_SUFFIX = ':inference'

/**
 * The model that a scope opens, or null when the scope is of another family. Read by its fixed beginning and end,
 * because a model's name may hold `:` and `/`.
 */
export function modelOfScope(scope: string): string | null {
  const isModel =
    scope.startsWith(MODEL_PREFIX) &&
    scope.endsWith(MODEL_SUFFIX) &&
    scope.length > MODEL_PREFIX.length + MODEL_SUFFIX.length
  return isModel ? scope.slice(MODEL_PREFIX.length, -MODEL_SUFFIX.length) : null
}

/** The scope that opens a model which has none of its own in the configuration. */
export function scopeOfModel(model: string): string {
  return `${MODEL_PREFIX}${model}${MODEL_SUFFIX}`
}

/**
 * Sorts the scopes of a token, and those that its role adds, into families.
 * @param given.modelScopes the scopes that models have of their own
 */
export function grantsOf(
  identity: Identity,
  given: { readonly roles: ReadonlyMap<string, readonly string[]>; readonly modelScopes: ReadonlySet<string> }
): Grants {
  const { roles, modelScopes } = given
  const added = identity.role === null ? undefined : roles.get(identity.role)
  const all = added === undefined ? identity.scopes : new Set([...identity.scopes, ...added])
  const kinds = new Set<string>()
  const models = new Set<string>()
  for (const scope of all) {
    const kind = KINDS.get(scope)
    if (kind !== undefined) kinds.add(kind)
    const model = modelOfScope(scope)
    if (model !== null) models.add(model)
  }
  const hasModels = models.size > 0 || [...modelScopes].some(scope => all.has(scope))
  return { kinds, models, hasModels, all }
}
