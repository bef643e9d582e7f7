import { GateError } from '../errors.ts'
import type { Call, Identity } from '../exchange.ts'
import type { AuthorizeOptions } from './options.ts'
import { type Grants, grantsOf, scopeOfModel } from './scopes.ts'

/** What the bearer of a token may do. Decided anew on every request: the token cache remembers who, never what. */
export interface Policy {
  /**
   * @throws TOLLGATE_AUTHORIZE_SCOPE with `scope`, the one that is lacking
   * @throws TOLLGATE_AUTHORIZE_MODEL with `scope`, the one that would open the model
   */
  authorize(identity: Identity, call: Call): void
  /** Whether some call of the model would pass. For lists of models. */
  mayUseModel(identity: Identity, model: string): boolean
  /** Whether pictures and sound may be sent to some model. For the bound of the body, before a model is known. */
  mayMultimodal(identity: Identity): boolean
}

/**
 * Scopes come in families: kinds of call (`infer:text`, `infer:multimodal`) and models (`model:NAME:inference`).
 * A family that the token carries restricts, one that it does not carry does not; a token with neither may not infer.
 * With `scopes: all` one of each is demanded. Kinds are exact: `infer:multimodal` alone opens no text call.
 * A configured route asks for its own scope, and for the model too when the body names one and the token has the family;
 * where the route generates, a token with the family has to name one.
 */
export function createPolicy(options: AuthorizeOptions): Policy {
  // Grants follow from the identity alone, and an identity lives as long as its token is cached.
  const known = new WeakMap<Identity, Grants>()
  const given = { roles: options.roles, modelScopes: new Set(options.modelScopes.values()) }
  const grants = (identity: Identity): Grants => {
    let found = known.get(identity)
    if (found === undefined) {
      found = grantsOf(identity, given)
      known.set(identity, found)
    }
    return found
  }
  const demandsAll = options.scopes === 'all'
  const scopeFor = (model: string) => options.modelScopes.get(model) ?? scopeOfModel(model)
  const hasModel = ({ models, all }: Grants, model: string) => {
    const own = options.modelScopes.get(model)
    // A model with a scope of its own is opened by that one, or by the scope for every model.
    return models.has('*') || (own === undefined ? models.has(model) : all.has(own))
  }
  const allowsModel = (of: Grants, model: string) => (of.hasModels ? hasModel(of, model) : !demandsAll)
  const allowsKind = (of: Grants, kind: string) => (of.kinds.size > 0 ? of.kinds.has(kind) : !demandsAll)
  /** Where an engine generates for no name at all, only the scope for every model opens it. A session is judged again. */
  const allowsOpened = (of: Grants, { model, kind, operation }: Call) =>
    model === null ? kind === 'none' || operation === 'realtime' || of.models.has('*') : hasModel(of, model)
  const mayInfer = (of: Grants) => of.kinds.size > 0 || of.hasModels

  return {
    authorize(identity, call) {
      const of = grants(identity)
      if (call.routeScope !== null) {
        if (!of.all.has(call.routeScope)) throw new GateError('TOLLGATE_AUTHORIZE_SCOPE', { scope: call.routeScope })
        if (call.kind === 'multimodal' && of.kinds.size > 0 && !of.kinds.has('multimodal')) {
          throw new GateError('TOLLGATE_AUTHORIZE_SCOPE', { scope: 'infer:multimodal' })
        }
        if (of.hasModels && !allowsOpened(of, call)) {
          const scope = call.model === null ? undefined : scopeFor(call.model)
          throw new GateError('TOLLGATE_AUTHORIZE_MODEL', { scope, model: call.model })
        }
        return
      }
      if (call.kind === 'none') return
      if (!mayInfer(of) || !allowsKind(of, call.kind)) {
        throw new GateError('TOLLGATE_AUTHORIZE_SCOPE', { scope: `infer:${call.kind}` })
      }
      if (call.model === null || !allowsModel(of, call.model)) {
        const scope = call.model === null ? undefined : scopeFor(call.model)
        throw new GateError('TOLLGATE_AUTHORIZE_MODEL', { scope, model: call.model })
      }
    },
    mayUseModel(identity, model) {
      const of = grants(identity)
      // With `all`, a token without a kind can call nothing, so it is shown nothing.
      return mayInfer(of) && allowsModel(of, model) && (of.kinds.size > 0 || !demandsAll)
    },
    mayMultimodal(identity) {
      const of = grants(identity)
      return mayInfer(of) && allowsKind(of, 'multimodal')
    }
  }
}
