import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, LogController } from 'fastify'
import { coalescedRequests } from '../accept/coalesced-request.ts'
import { ReadTurns } from '../accept/read-turns.ts'
import { type BanDesk, banRoutes } from './bans.ts'
import type { AdminGuard, AdminRefusal } from './guard.ts'
import { type RevocationDesk, revocationRoutes } from './revocations.ts'

const MAX_COMPARED = 256 * 1024
const TOO_OFTEN = 'Secrets are compared ten times a minute at most.'

/** One thing that must be well before requests should come. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  /** Facts for the operator: ages, last errors. Never a secret. */
  readonly detail: Readonly<Record<string, unknown>>
}

/** What the second listener shows. */
export interface AdminDeps {
  readonly log: FastifyBaseLogger
  readonly checks: () => readonly Check[]
  /** Who may ask what. */
  readonly guard: AdminGuard
  /** Opens everything but health, or null. */
  readonly token: string | null
  /** Loads the configuration anew. */
  readonly reload: () => Reloaded
  /** What runs: the configuration with its secrets masked, when it was loaded, how the last reload went. */
  readonly config: () => object
  /** Which of the secrets that somebody names are others than those that run. */
  readonly compare: (asked: unknown) => Compared
  /** Where operators revoke. */
  readonly revocations: RevocationDesk
  /** Where operators see and lift bans. */
  readonly bans: BanDesk
  /** Everything that is counted, as Prometheus reads it. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
}

/** What a comparison of secrets came to. */
export type Compared =
  | { readonly ok: true; readonly differing: readonly string[] }
  | { readonly ok: false; readonly why: 'invalid' | 'too_often' }

/** What became of a reload, as the operator is told. */
export interface Reloaded {
  readonly ok: boolean
}

/**
 * The second listener. `/livez`: the process and its event loop answer. `/readyz`: every check holds, else 503; engines are
 * not among the checks, because their outage must not take every gate away at once. `POST /-/reload` and `GET /-/config` are
 * for the operator alone. `/metrics` needs the token where there is one, and is open to whoever reaches the listener where
 * there is none: Prometheus comes from another machine.
 */
export async function buildAdmin(deps: AdminDeps): Promise<FastifyInstance> {
  const { log, checks, guard, token, reload, config, compare, metrics } = deps
  const turns = new ReadTurns()
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    // Who asks here is near, and asks for little.
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 75_000,
    http: {
      headersTimeout: 5_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
      IncomingMessage: coalescedRequests(turns.spend)
    },
    forceCloseConnections: true
  })
  turns.watch(app.server, { isTls: false })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
  const refuse = (reply: FastifyReply, { status, error }: AdminRefusal) => {
    if (status === 401) reply.header('www-authenticate', 'Bearer realm="tollgate admin"')
    if (status === 429) reply.header('retry-after', '5')
    return reply.code(status).send({ error })
  }
  app.addHook('onRequest', async ({ raw }, reply) => {
    const refusal = guard.judgeHost(raw)
    if (refusal !== null) return refuse(reply, refusal)
  })
  app.get('/livez', () => ({ status: 'alive' }))
  app.get('/readyz', async ({ raw }, reply) => {
    const all = checks()
    const isReady = all.every(check => check.ok)
    const status = isReady ? 'ready' : 'not ready'
    // What is wrong inside is nobody's business who only asks where to send calls.
    const body = (await guard.maySeeDetail(raw)) ? { status, checks: all } : { status }
    return reply.code(isReady ? 200 : 503).send(body)
  })
  app.get('/metrics', async ({ raw }, reply) => {
    const refusal = guard.judgePath(raw) ?? (await guard.judgeToken(raw))
    if (refusal !== null) return refuse(reply, refusal)
    const { type, text } = await metrics()
    return reply.type(type).send(text)
  })
  app.register(async operators => {
    operators.addHook('onRequest', async ({ raw }, reply) => {
      const refusal = guard.judgePath(raw) ?? (await guard.judgeOperator(raw))
      if (refusal !== null) return refuse(reply, refusal)
    })
    revocationRoutes(operators, deps.revocations, token)
    banRoutes(operators, deps.bans, token)
    operators.post('/-/reload', (_request, reply) => {
      const result = reload()
      reply.code(result.ok ? 200 : 422).send(result)
    })
    operators.get('/-/config', () => config())
    operators.post('/-/config/compare', { bodyLimit: MAX_COMPARED }, ({ body }, reply) => {
      const compared = compare(body)
      if (compared.ok) return reply.send({ differing: compared.differing })
      if (compared.why === 'too_often') return reply.code(429).header('retry-after', '60').send({ error: TOO_OFTEN })
      return reply.code(400).send({ error: 'Wanted: { "salt": "…", "digests": { "PATH": "…" } }.' })
    })
  })
  return app
}
