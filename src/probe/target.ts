import { randomBytes } from 'node:crypto'
import { DESCRIPTION } from '../engines/operations.ts'
import { type Engine, rowsOf, TABLES, verdictOf } from '../engines/table.ts'
import type { Ms } from '../time.ts'
import { type Ask, type AskInit, createAsk, SAFE_METHOD } from './ask.ts'
import {
  concrete,
  type Facts,
  isRefusal,
  modelsFrom,
  type NotAsked,
  recognise,
  routesFrom,
  type Sweep,
  versionFrom
} from './facts.ts'

/** One target of a pool. */
export interface TargetInit extends AskInit {
  readonly pool: string
  readonly engine: Engine
}

const MAX_MODELS_BYTES = 1024 * 1024
// vLLM's has all of its request bodies: more than a mebibyte.
const MAX_OPENAPI_BYTES = 8 * 1024 * 1024
const MAX_VERSION_BYTES = 64 * 1024
const MAX_PATHS = 400
/** How many times the limit of one request the questions for paths may take together. */
const SWEEP_LIMITS = 6

/** Asks one engine what it is, what it serves, and what it answers to anybody. Never rejects. */
export async function askTarget(init: TargetInit): Promise<Facts> {
  const { pool, engine, origin: target, apiKey } = init
  const ask = createAsk(init)
  const { signs } = TABLES[engine]
  const list = (withKey: boolean) => ask({ method: 'GET', path: '/v1/models', withKey, maxBytes: MAX_MODELS_BYTES })

  const first = await list(true)
  const models = modelsFrom(first)
  const known = { pool, engine, target, hasKey: apiKey !== null, models }
  if (!first.ok) {
    const nothing = { keyless: null, version: null, looksLike: null }
    return { ...known, ...nothing, routes: routesFrom(first), sweep: { asked: false, why: 'unreachable' } }
  }
  const [keyless, openapi, version] = await Promise.all([
    apiKey === null ? first : list(false),
    ask({ method: 'GET', path: '/openapi.json', withKey: true, maxBytes: MAX_OPENAPI_BYTES }),
    signs.version === null
      ? null
      : ask({ method: 'GET', path: signs.version.path, withKey: true, maxBytes: MAX_VERSION_BYTES })
  ])
  const routes = routesFrom(openapi)
  const documented = routes.is === 'said' ? routes.value : []
  const looksLike = recognise(documented, models.is === 'said' ? models.value.owners : [])
  return {
    ...known,
    keyless: keyless.ok ? keyless.status : null,
    routes,
    version: version === null || signs.version === null ? null : versionFrom(version, signs.version.member),
    looksLike,
    sweep: await sweep(ask, {
      engine,
      looksLike,
      documented,
      isKeyRefused: isRefusal(first.status),
      limitMs: init.timeoutMs * SWEEP_LIMITS
    })
  }
}

interface SweepInit {
  readonly engine: Engine
  readonly looksLike: Engine | null
  readonly documented: readonly string[]
  readonly isKeyRefused: boolean
  readonly limitMs: Ms
}

/**
 * Asks the paths of an engine's table, without a key, with a method that none of them has: 401 is the key's, 404 the
 * lack of the route, 405 the router's, which refuses before any code of the route runs.
 *
 * Nothing is asked of a server that is not recognised, or that does not show on `/v1/models` that it keeps methods
 * apart, or that has an answer for a path that nobody has: there, one of its handlers could be what answers. The first
 * answer that a router would not give ends it.
 */
async function sweep(ask: Ask, init: SweepInit): Promise<Sweep> {
  const { engine, documented } = init
  const refusal = whyNot(init)
  if (refusal !== null) return { asked: false, why: refusal }
  const status = async (path: string, withKey = false): Promise<number | null> => {
    const reply = await ask({ method: SAFE_METHOD, path, withKey })
    return reply.ok ? reply.status : null
  }
  if ((await status('/v1/models', true)) !== 405) return { asked: false, why: 'any-method' }
  const nowhere = await status(`/tollgate-probe-${randomBytes(8).toString('hex')}`)
  if (nowhere === null || !(nowhere === 404 || isRefusal(nowhere))) return { asked: false, why: 'any-path' }

  const endsAtMs = performance.now() + init.limitMs
  const answers = new Map<string, number>()
  for (const [path, isMount] of pathsToAsk(engine, documented)) {
    const answer = performance.now() < endsAtMs ? await status(path) : null
    if (answer === null || !(isRouters(answer) || isMount)) {
      return { asked: true, answers, stoppedAt: { path, status: answer } }
    }
    answers.set(path, answer)
  }
  return { asked: true, answers, stoppedAt: null }
}

function whyNot({ engine, looksLike, isKeyRefused }: SweepInit): NotAsked | null {
  if (isKeyRefused) return 'key'
  if (!TABLES[engine].signs.keepsToMethods) return 'unknown-server'
  return looksLike === engine ? null : 'unrecognised'
}

/** Plain paths alone: what a document says is the engine's own word. */
const PLAIN = /^(?:\/[A-Za-z0-9._-]+)+\/?$/

/**
 * The paths of the table, and those of the engine's own document that the table has a pattern for; each with whether it
 * may be a mounted application, which answers every method and does nothing but show.
 */
function pathsToAsk(engine: Engine, documented: readonly string[]): ReadonlyMap<string, boolean> {
  const paths = new Map<string, boolean>()
  for (const { route, verdict } of rowsOf(engine)) {
    const path = route.slice(route.indexOf(' ') + 1)
    const shows = verdict.is === 'gate' || (verdict.is === 'never' && verdict.what === DESCRIPTION)
    paths.set(concrete(path).replace(/\*$/, ''), path.endsWith('*') && shows)
  }
  for (const route of documented) {
    const [method = '', path = ''] = concrete(route).split(' ')
    if (paths.size < MAX_PATHS && PLAIN.test(path) && !paths.has(path) && verdictOf(engine, method, path) !== null) {
      paths.set(path, false)
    }
  }
  return paths
}

/** What a router or a key's middleware answers before any code of a route runs; a redirect only adds or takes a slash. */
function isRouters(status: number): boolean {
  return isRefusal(status) || status === 404 || status === 405 || status === 307 || status === 308
}
