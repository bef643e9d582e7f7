import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'

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
}

/**
 * The second listener. `/livez`: the process and its event loop answer. `/readyz`: every check holds, else 503.
 * Engines are not among the checks: their outage must not take every gate away at once.
 */
export async function buildAdmin({ log, checks }: AdminDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true
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
  return app
}
