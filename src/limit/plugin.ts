import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { Limiter, Verdict } from './limiter.ts'

/** What `limit` is given. */
export interface LimitPluginOptions {
  readonly limiterOf: (exchange: Exchange) => Limiter
  /** The models that the caller may use. @throws GateError when his team is not served */
  readonly modelsOf: (exchange: Exchange) => readonly string[]
}

/** Refuses what is over a limit, and reserves what is not. Questions for limits are answered here and go to no engine. */
export default fp<LimitPluginOptions>(
  async (app, { limiterOf, modelsOf }) => {
    app.addHook('preHandler', ({ exchange }, reply, done) => {
      if (exchange.call.operation === 'limits') {
        limiterOf(exchange)
          .describe(exchange, modelsOf(exchange))
          .then(answer => {
            const body = JSON.stringify(answer)
            exchange.status = 200
            exchange.bytesOut = Buffer.byteLength(body)
            reply
              .header('content-type', 'application/json; charset=utf-8')
              .header('cache-control', 'no-store')
              .send(body)
          }, done)
        return
      }
      const enter = ({ headers, reservation, shadowed, error }: Verdict) => {
        exchange.shadowed = shadowed
        exchange.reservation = reservation
        // The caller has left while the store was asked, and the way out is behind him.
        if (exchange.endedAtMs !== null) {
          reservation?.settle(exchange)
          return
        }
        // On the raw response, because a relay writes its own head to it.
        for (const [name, value] of headers) reply.raw.setHeader(name, value)
        if (error === null) done()
        else done(error)
      }
      const verdict = limiterOf(exchange).admit(exchange)
      if (!(verdict instanceof Promise)) {
        enter(verdict)
        return
      }
      const askedAtMs = performance.now()
      verdict.then(found => {
        exchange.waited(performance.now() - askedAtMs)
        enter(found)
      }, done)
    })
  },
  { name: 'tollgate-limit', dependencies: ['tollgate-authorize'] }
)
