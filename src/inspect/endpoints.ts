import { GateError } from '../errors.ts'
import type { CallKind } from '../exchange.ts'
import type { InspectOptions } from './options.ts'

/** One row of the closed table: the only paths and methods that lead to an engine. */
export interface Endpoint {
  readonly operation: string
  readonly method: string
  /** The constant that the engine sees. */
  readonly path: string
  /** What the call is when its body has nothing but text. */
  readonly kind: CallKind
  /** What becomes of the body: read for a model that must be there, read for one that may be, or not allowed. */
  readonly body: 'model' | 'optional-model' | 'none'
  readonly scope: string | null
  readonly pool: string | null
}

/** Looks a request up. */
export interface Endpoints {
  /**
   * @param rawUrl the request target exactly as it came
   * @throws TOLLGATE_INSPECT_ROUTE, TOLLGATE_INSPECT_METHOD (with `allow`), TOLLGATE_INSPECT_QUERY
   */
  find(method: string, rawUrl: string): Endpoint
}

/** The routes that every OpenAI-compatible engine has (engines.md section 1). */
const SHARED: readonly Endpoint[] = [
  {
    operation: 'chat',
    method: 'POST',
    path: '/v1/chat/completions',
    kind: 'text',
    body: 'model',
    scope: null,
    pool: null
  },
  {
    operation: 'completions',
    method: 'POST',
    path: '/v1/completions',
    kind: 'text',
    body: 'model',
    scope: null,
    pool: null
  },
  {
    operation: 'embeddings',
    method: 'POST',
    path: '/v1/embeddings',
    kind: 'text',
    body: 'model',
    scope: null,
    pool: null
  },
  { operation: 'models', method: 'GET', path: '/v1/models', kind: 'none', body: 'none', scope: null, pool: null }
]

/** A path that nobody can read in two ways: no escape, no parameter, no backslash, no empty or dot segment, no end slash. */
const PLAIN = /^(?:\/[A-Za-z0-9._~-]+)+$/
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/

/**
 * Makes the table of a configuration: the shared routes, and those that the operator opened.
 * @throws TypeError when a route stands twice: the second would take the place of the first, and its scope
 */
export function createEndpoints(options: Pick<InspectOptions, 'routes'>): Endpoints {
  const byPath = new Map<string, Map<string, Endpoint>>()
  const add = (endpoint: Endpoint) => {
    const methods = byPath.get(endpoint.path) ?? new Map<string, Endpoint>()
    if (methods.has(endpoint.method)) throw new TypeError(`${endpoint.method} ${endpoint.path} stands twice`)
    byPath.set(endpoint.path, methods.set(endpoint.method, endpoint))
  }
  for (const endpoint of SHARED) add(endpoint)
  for (const { method, path, scope, pool } of options.routes) {
    const hasBody = method !== 'GET' && method !== 'DELETE'
    add({ operation: path, method, path, kind: 'none', body: hasBody ? 'optional-model' : 'none', scope, pool })
  }

  return {
    find(method, rawUrl) {
      const query = rawUrl.indexOf('?')
      const path = query === -1 ? rawUrl : rawUrl.slice(0, query)
      const methods = byPath.get(path)
      // The table holds plain paths alone, so a hit needs no second look; a miss is told apart for the log.
      if (methods === undefined) {
        const why = PLAIN.test(path) && !DOT_SEGMENT.test(path) ? 'unknown' : 'not plain'
        throw new GateError('TOLLGATE_INSPECT_ROUTE', { why })
      }
      const endpoint = methods.get(method)
      if (endpoint === undefined)
        throw new GateError('TOLLGATE_INSPECT_METHOD', { allow: [...methods.keys()].join(', ') })
      if (query !== -1) throw new GateError('TOLLGATE_INSPECT_QUERY')
      return endpoint
    }
  }
}
