import { type CallKind, OPERATIONS, type OperationName } from '../engines/operations.ts'
import { ENGINES, type Engine, rowsOf, verdictOf } from '../engines/table.ts'
import { GateError } from '../errors.ts'
import type { ExtraRoute } from './options.ts'

/** One row of the closed table: the only paths and methods that lead to an engine or to an answer of the gate. */
export interface Endpoint {
  /** The operation of the engines' tables, or the path of a route that the operator opened. */
  readonly operation: string
  readonly method: string
  /** The constant that the engine sees. */
  readonly path: string
  /** What the call is when its body has nothing but text. */
  readonly kind: CallKind
  /**
   * Where the model stands. `optional`: in the JSON body when it is there at all. `events`: in what a WebSocket brings,
   * or in the query before. `none`: nowhere, and there is no body.
   */
  readonly model: 'body' | 'optional' | 'form' | 'path' | 'events' | 'none'
  readonly scope: string | null
  readonly pool: string | null
}

/** A route that was asked for. */
export interface Found {
  readonly endpoint: Endpoint
  /** The model that the URL names, or null. */
  readonly urlModel: string | null
}

/** Looks a request up. */
export interface Endpoints {
  /**
   * @param rawUrl the request target exactly as it came
   * @throws TOLLGATE_INSPECT_ROUTE, TOLLGATE_INSPECT_CLOSED, TOLLGATE_INSPECT_ADMIN (with `reason`),
   *   TOLLGATE_INSPECT_METHOD (with `allow`), TOLLGATE_INSPECT_QUERY
   */
  find(method: string, rawUrl: string): Found
  /** Whether a request target is a WebSocket that is open here. */
  isSocket(rawUrl: string): boolean
}

const MODELS: Endpoint = row('models', 'GET', '/v1/models')
const MODEL: Endpoint = row('model', 'GET', '/v1/models/{id}')
const LIMITS: Endpoint = row('limits', 'GET', '/v1/me/limits')
const USAGE: Endpoint = row('usage', 'GET', '/v1/me/usage')
const MODEL_PREFIX = '/v1/models/'

const MODEL_NAME = /^[\x21-\x7e]{1,256}$/

/** A path that nobody can read in two ways: no escape, no parameter, no backslash, no empty or dot segment, no end slash. */
const PLAIN = /^(?:\/[A-Za-z0-9._~-]+)+$/
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/

/**
 * Makes the table of a configuration: what its engines serve, what the gate answers, and what the operator opened.
 * @throws TypeError when a route stands twice: the second would take the place of the first, and its scope
 */
export function createEndpoints(options: {
  readonly engines: readonly Engine[]
  readonly routes: readonly ExtraRoute[]
}): Endpoints {
  const byPath = new Map<string, Map<string, Endpoint>>()
  const add = (endpoint: Endpoint) => {
    const methods = byPath.get(endpoint.path) ?? new Map<string, Endpoint>()
    if (methods.has(endpoint.method)) throw new TypeError(`${endpoint.method} ${endpoint.path} stands twice`)
    byPath.set(endpoint.path, methods.set(endpoint.method, endpoint))
  }
  add(MODELS)
  add(LIMITS)
  add(USAGE)
  const served = new Map<string, OperationName>()
  for (const engine of options.engines) {
    for (const { route, verdict } of rowsOf(engine)) if (verdict.is === 'served') served.set(route, verdict.operation)
  }
  for (const [route, operation] of served) add(row(operation, ...split(route)))
  for (const route of options.routes) add(opened(route, options.engines))
  // Those of the configuration first: what they say of a route is what its operator wants to read.
  const engines = [...new Set([...options.engines, ...ENGINES])]

  return {
    find(method, rawUrl) {
      const { path, query } = splitUrl(rawUrl)
      // The table holds plain paths alone, so a hit needs no second look.
      const methods = byPath.get(path)
      if (methods === undefined) {
        const urlModel = method === 'GET' && query === null ? modelOf(path) : null
        if (urlModel !== null) return { endpoint: MODEL, urlModel }
        throw refusal(engines, method, path)
      }
      const endpoint = methods.get(method)
      if (endpoint === undefined) {
        const allow = [...methods.keys()].join(', ')
        throw known(engines, method, path) ?? new GateError('TOLLGATE_INSPECT_METHOD', { allow })
      }
      if (query === null) return { endpoint, urlModel: null }
      if (endpoint.model !== 'events') throw new GateError('TOLLGATE_INSPECT_QUERY')
      return { endpoint, urlModel: queryModel(query) }
    },
    isSocket: rawUrl => byPath.get(splitUrl(rawUrl).path)?.get('GET')?.model === 'events'
  }
}

function row(operation: OperationName, method: string, path: string): Endpoint {
  const { kind, model } = OPERATIONS[operation]
  return { operation, method, path, kind, model, scope: null, pool: null }
}

/** What an engine's table knows of it holds for a route that is open, too. */
function opened({ method, path, scope, pool }: ExtraRoute, engines: readonly Engine[]): Endpoint {
  const hasBody = method !== 'GET' && method !== 'DELETE'
  const verdicts = engines.map(engine => verdictOf(engine, method, path))
  const operation = verdicts.flatMap(verdict => (verdict?.is === 'closed' ? [verdict.operation] : []))[0] ?? null
  const kind = operation === null ? 'none' : OPERATIONS[operation].kind
  const isSocket = operation !== null && OPERATIONS[operation].model === 'events'
  const model = isSocket ? 'events' : hasBody ? 'optional' : 'none'
  return { operation: operation ?? path, method, path, kind, model, scope, pool }
}

function splitUrl(rawUrl: string): { readonly path: string; readonly query: string | null } {
  const mark = rawUrl.indexOf('?')
  return mark === -1 ? { path: rawUrl, query: null } : { path: rawUrl.slice(0, mark), query: rawUrl.slice(mark + 1) }
}

/** What OpenAI's libraries ask a WebSocket for: `model=…`, or `intent=transcription`, which says nothing more here. */
function queryModel(query: string): string | null {
  const pairs = [...new URLSearchParams(query)]
  const models = pairs.filter(([name]) => name === 'model').map(([, value]) => value)
  const isKnown = pairs.every(([name, value]) => name === 'model' || (name === 'intent' && value === 'transcription'))
  if (!isKnown || models.length > 1) throw new GateError('TOLLGATE_INSPECT_QUERY')
  const [model] = models
  if (model !== undefined && !MODEL_NAME.test(model)) throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model' })
  return model ?? null
}

function split(route: string): [method: string, path: string] {
  const [method = '', path = ''] = route.split(' ')
  return [method, path]
}

/** The only path with a variable: never sent to an engine, so that an escaped slash in it is no trick. */
function modelOf(path: string): string | null {
  if (!path.startsWith(MODEL_PREFIX)) return null
  try {
    const name = decodeURIComponent(path.slice(MODEL_PREFIX.length))
    return MODEL_NAME.test(name) ? name : null
  } catch {
    return null
  }
}

/** Why a path is not served: plain paths are looked for in the tables of all engines. */
function refusal(engines: readonly Engine[], method: string, path: string): GateError {
  const fromTable = known(engines, method, path)
  if (fromTable !== null) return fromTable
  const why = PLAIN.test(path) && !DOT_SEGMENT.test(path) ? 'unknown' : 'not plain'
  return new GateError('TOLLGATE_INSPECT_ROUTE', { why })
}

function known(engines: readonly Engine[], method: string, path: string): GateError | null {
  for (const engine of engines) {
    const verdict = verdictOf(engine, method, path)
    if (verdict === null) continue
    switch (verdict.is) {
      case 'never':
        return new GateError('TOLLGATE_INSPECT_ADMIN', { reason: `${verdict.what} of ${engine}` })
      case 'closed':
        return new GateError('TOLLGATE_INSPECT_CLOSED', { reason: `${verdict.what} of ${engine}, not opened` })
      case 'gate':
        return new GateError('TOLLGATE_INSPECT_ADMIN', { reason: `asked of ${engine} by the gate alone` })
      case 'served':
        return new GateError('TOLLGATE_INSPECT_ROUTE', { reason: `served by ${engine}, which no pool runs` })
    }
  }
  return null
}
