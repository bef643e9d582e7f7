import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, LogController } from 'fastify'
import { CoalescedRequest } from '../accept/coalesced-request.ts'
import { type BanDesk, banRoutes } from './bans.ts'
import { hasToken, isOperator } from './guard.ts'
import { type RevocationDesk, revocationRoutes } from './revocations.ts'

const SALT = /^[0-9a-f]{32}$/

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
  /** Opens everything but health, or null. */
  readonly token: string | null
  /** Loads the configuration anew. */
  readonly reload: () => Reloaded
  /** What runs: the configuration with its secrets masked, when it was loaded, how the last reload went. */
  readonly config: (salt: string | null) => object
  /** Where operators revoke. */
  readonly revocations: RevocationDesk
  /** Where operators see and lift bans. */
  readonly bans: BanDesk
  /** Everything that is counted, as Prometheus reads it. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
}

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
  const { log, checks, token, reload, config, metrics } = deps
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    http: { IncomingMessage: CoalescedRequest }
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })
  app.get('/livez', () => ({ status: 'alive' }))
  app.get('/readyz', (_request, reply) => {
    const all = checks()
    const isReady = all.every(check => check.ok)
    reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready', checks: all })
  })
  const demandToken = (reply: FastifyReply) =>
    reply
      .code(401)
      .header('www-authenticate', 'Bearer realm="tollgate admin"')
      .send({ error: 'The admin token is required.' })
  app.get('/metrics', async ({ raw }, reply) => {
    if (token !== null && !hasToken(raw, token)) return demandToken(reply)
    const { type, text } = await metrics()
    return reply.type(type).send(text)
  })
  app.register(async operators => {
    operators.addHook('onRequest', async ({ raw }, reply) => {
      if (isOperator(raw, token)) return
      if (token !== null) return demandToken(reply)
      return reply.code(403).send({ error: 'Only from this machine, or with admin.token.' })
    })
    revocationRoutes(operators, deps.revocations, token)
    banRoutes(operators, deps.bans, token)
    operators.post('/-/reload', (_request, reply) => {
      const result = reload()
      reply.code(result.ok ? 200 : 422).send(result)
    })
    operators.get<{ Querystring: { salt?: string } }>('/-/config', ({ query }) => {
      const { salt } = query
      return config(salt !== undefined && SALT.test(salt) ? salt : null)
    })
  })
  return app
}
