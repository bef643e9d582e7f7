import fp from 'fastify-plugin'
import { GateError } from '../errors.ts'
import type { Exchange, Identity } from '../exchange.ts'
import { readBearer } from './bearer.ts'
import type { Verifier } from './verifier.ts'

/** Writes whose token it is. A stranger's body is never read: this runs before. */
export default fp<{ verifierOf: (exchange: Exchange) => Pick<Verifier, 'verify'> }>(
  async (app, { verifierOf }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { exchange } = request
      let found: Identity | Promise<Identity>
      try {
        found = verifierOf(exchange).verify(readBearer(request.raw.rawHeaders, exchange.path))
      } catch (err) {
        done(errorFrom(err))
        return
      }
      // A remembered token costs no turn of the event loop.
      if (!(found instanceof Promise)) {
        exchange.identity = found
        done()
        return
      }
      found.then(
        identity => {
          exchange.identity = identity
          done()
        },
        (err: unknown) => done(errorFrom(err))
      )
    })
  },
  { name: 'tollgate-authenticate', dependencies: ['tollgate-identify'] }
)

function errorFrom(err: unknown): Error {
  return err instanceof Error ? err : new GateError('TOLLGATE_INTERNAL', {}, { cause: err })
}
