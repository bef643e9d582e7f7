import fp from 'fastify-plugin'
import { dialectOf, errorBody } from './body.ts'
import { challengeFor } from './challenge.ts'
import { gateErrorFrom } from './translate.ts'

/** What `refuse` is given. */
export interface RefuseOptions {
  /** Paths whose errors are those of OAuth. */
  readonly oauthPaths?: ReadonlySet<string>
}

const NONE: ReadonlySet<string> = new Set()

/** The one door by which every refusal leaves. */
export default fp<RefuseOptions>(
  async (app, { oauthPaths = NONE }) => {
    app.setErrorHandler((thrown, request, reply) => {
      const error = gateErrorFrom(thrown)
      const { exchange } = request
      const { row, told } = error
      exchange.failure = error
      exchange.status = told.status
      if (row.fault === 'gate') {
        request.log.error(
          { code: error.code, request: exchange.id, detail: error.detail, err: error.cause ?? error },
          row.message
        )
      } else if (row.fault === 'upstream') {
        request.log.warn({ code: error.code, request: exchange.id, detail: error.detail }, row.message)
      }

      const body = errorBody(error, oauthPaths.has(exchange.path) ? 'oauth' : dialectOf(exchange.path), exchange.id)
      exchange.bytesOut = Buffer.byteLength(body)
      const challenge = challengeFor(error)
      if (challenge !== null) reply.header('www-authenticate', challenge)
      if (told.retryAfterSec !== undefined) reply.header('retry-after', told.retryAfterSec)
      if (row.shouldRetry !== undefined) reply.header('x-should-retry', String(row.shouldRetry))
      if (told.status === 426) reply.header('upgrade', 'websocket')
      if (typeof error.detail.allow === 'string') reply.header('allow', error.detail.allow)
      // A body that nobody will read must not be waited for, nor taken for the next request.
      if (!request.raw.complete) reply.header('connection', 'close')
      reply
        .code(told.status)
        .header('cache-control', 'no-store')
        .header('content-type', 'application/json; charset=utf-8')
        .send(body)
    })
  },
  { name: 'tollgate-refuse', dependencies: ['tollgate-accept'] }
)
