import type { Engine as EngineName } from '../../src/engines/table.ts'
import type { Ms } from '../../src/time.ts'
import { type Child, type Children, until } from './children.ts'

/** What every engine here demands of whoever calls it: the gate alone knows it. */
export const ENGINE_KEY = 'the-key-of-the-engine'

/** A running engine. */
export interface Engine {
  readonly name: EngineName
  /** As it says itself, or as it was installed. */
  readonly version: string
  readonly origin: string
  /** The name under which it serves its one model. */
  readonly model: string
  readonly child: Child
  routes(): Promise<Routes>
}

/** Every method and path: those that an engine documents, and those that only its log or its source tells of. */
export interface Routes {
  readonly documented: readonly string[]
  readonly undocumented: readonly string[]
}

/** What starting something needs. */
export interface Tools {
  readonly children: Children
  /** A folder of this run: models, files, logs. */
  readonly dir: string
  /** Tells of progress. */
  say(line: string): void
}

/** Asks an engine something without the gate. */
export async function getFrom(origin: string, path: string): Promise<Response> {
  const headers = { authorization: `Bearer ${ENGINE_KEY}` }
  // Over a connection of its own: the engine closes those that idle for 5 s without a word.
  return await fetch(origin + path, {
    headers: { ...headers, connection: 'close' },
    signal: AbortSignal.timeout(10_000)
  })
}

/** Waits until an engine says that it is healthy. */
export async function untilHealthy(what: string, origin: string, child: Child, limitMs: Ms): Promise<void> {
  const isHealthy = () =>
    getFrom(origin, '/health').then(
      ({ status }) => status === 200,
      () => false
    )
  await until(`${what} is healthy`, limitMs, isHealthy, child)
}

/** What `/openapi.json` has. */
export async function documentedRoutes(origin: string): Promise<string[]> {
  const { paths } = (await (await getFrom(origin, '/openapi.json')).json()) as { paths: Record<string, object> }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`)
  )
  return sortedRoutes(routes)
}

/** By path, then by method; each once. */
export function sortedRoutes(routes: Iterable<string>): string[] {
  const key = (route: string) => route.split(' ').reverse().join(' ')
  return [...new Set(routes)].sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

/** What FastAPI serves beside what it documents, where nothing else is said. */
export const FASTAPI_ROUTES: readonly string[] = ['/docs', '/docs/oauth2-redirect', '/openapi.json', '/redoc'].flatMap(
  path => [`GET ${path}`, `HEAD ${path}`]
)
