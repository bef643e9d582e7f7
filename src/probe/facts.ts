import { ENGINES, type Engine, isGuarded, TABLES, verdictOf } from '../engines/table.ts'
import type { Reply } from './ask.ts'

/** What one target said. Its words are as it wrote them: they are cleaned when they are shown. */
export interface Facts {
  readonly pool: string
  /** As the configuration has it. */
  readonly engine: Engine
  readonly target: string
  readonly hasKey: boolean
  /** `GET /v1/models` with the pool's key, where it has one. */
  readonly models: Said<ModelList>
  /** The status of `GET /v1/models` without a key, or null when it did not answer. */
  readonly keyless: number | null
  /** Every `METHOD /path` of `/openapi.json`. */
  readonly routes: Said<readonly string[]>
  readonly version: string | null
  /** The engine that it looks like, or null. */
  readonly looksLike: Engine | null
  readonly sweep: Sweep
}

/** An answer that was understood, or why there is none. */
export type Said<T> =
  | { readonly is: 'said'; readonly value: T }
  | { readonly is: 'status'; readonly status: number }
  /** Over our bound. */
  | { readonly is: 'large' }
  /** Not the JSON that it should be. */
  | { readonly is: 'strange' }
  | { readonly is: 'failed'; readonly why: (Reply & { ok: false })['why']; readonly cause: string }

/** What an engine lists. */
export interface ModelList {
  readonly names: readonly string[]
  /** Every `owned_by`. */
  readonly owners: readonly string[]
}

/** What its paths answered to a harmless method without a key, or why they were not asked. */
export type Sweep =
  | {
      readonly asked: true
      /** Path → status. */
      readonly answers: ReadonlyMap<string, number>
      /** The path whose answer ended it, because more than the router may have read it. */
      readonly stoppedAt: { readonly path: string; readonly status: number | null } | null
    }
  | { readonly asked: false; readonly why: NotAsked }

/** Why the paths of a target were not asked. */
export type NotAsked = 'unreachable' | 'key' | 'unrecognised' | 'unknown-server' | 'any-method' | 'any-path'

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'])
const MAX_ROUTES = 5_000
const MAX_MODELS = 10_000

/** Reads the names and owners of a list of models. */
export function modelsFrom(reply: Reply): Said<ModelList> {
  return understood(reply, answer => {
    const data = mapOf(answer).data
    if (!Array.isArray(data) || data.length > MAX_MODELS) return null
    const items = data.map(mapOf)
    return { names: texts(items.map(({ id }) => id)), owners: texts(items.map(({ owned_by }) => owned_by)) }
  })
}

/** Reads the routes of an OpenAPI document. */
export function routesFrom(reply: Reply): Said<readonly string[]> {
  return understood(reply, answer => {
    const { paths } = mapOf(answer)
    if (typeof paths !== 'object' || paths === null) return null
    const routes = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(mapOf(item))
        .filter(method => path.startsWith('/') && METHODS.has(method))
        .map(method => `${method.toUpperCase()} ${path}`)
    )
    return routes.length > MAX_ROUTES ? null : routes
  })
}

/** Reads a version. */
export function versionFrom(reply: Reply, member: string): string | null {
  const said = understood(reply, answer => mapOf(answer)[member])
  return said.is === 'said' && typeof said.value === 'string' ? said.value : null
}

function understood<T>(reply: Reply, read: (answer: unknown) => T | null): Said<T> {
  if (!reply.ok) return { is: 'failed', why: reply.why, cause: reply.cause }
  if (reply.status !== 200) return { is: 'status', status: reply.status }
  if (reply.isCut) return { is: 'large' }
  try {
    const value = read(JSON.parse(reply.body.toString('utf8')))
    return value === null ? { is: 'strange' } : { is: 'said', value }
  } catch {
    return { is: 'strange' }
  }
}

/**
 * Which engine it is, by the routes that only one engine's table knows, or by the owner of its models where the routes
 * do not tell. @returns null when nothing tells
 */
export function recognise(routes: readonly string[], owners: readonly string[]): Engine | null {
  const votes = new Map<Engine, number>()
  for (const route of routes) {
    const [method = '', path = ''] = route.split(' ')
    const [only, ...others] = ENGINES.filter(
      engine => engine !== 'openai' && verdictOf(engine, method, concrete(path)) !== null
    )
    if (only !== undefined && others.length === 0) votes.set(only, (votes.get(only) ?? 0) + 1)
  }
  const [first, second] = [...votes].sort(([, a], [, b]) => b - a)
  if (first !== undefined && first[1] > (second?.[1] ?? 0)) return first[0]
  return ENGINES.find(engine => owners.some(owner => owner === TABLES[engine].signs.ownedBy)) ?? null
}

/** Whose facts hold for a target: those of what it looks like. Behind `openai` there may be a router, so nothing holds. */
export function kindOf({ engine, looksLike }: Pick<Facts, 'engine' | 'looksLike'>): Engine {
  return engine === 'openai' ? engine : (looksLike ?? engine)
}

/**
 * Whether a target is open to anybody. That it lists its models without a key says so where its key, if it had one,
 * would guard that list.
 */
export function needsNoKey(facts: Pick<Facts, 'engine' | 'looksLike' | 'keyless'>): boolean {
  const kind = kindOf(facts)
  return facts.keyless === 200 && TABLES[kind].key?.checked === 'first' && isGuarded(kind, '/v1/models') === true
}

/** Whether a status says that a key is wanted, or another one. */
export function isRefusal(status: number): boolean {
  return status === 401 || status === 403
}

/** A path with something in the place of each `{parameter}`, as the tables' patterns want it. */
export function concrete(path: string): string {
  return path.replace(/\{[^}]*\}/g, 'tollgate-probe')
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function texts(values: readonly unknown[]): readonly string[] {
  return [...new Set(values.filter(value => typeof value === 'string'))]
}
