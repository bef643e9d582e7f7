import fp from 'fastify-plugin'
import { GateError } from '../errors.ts'
import type { Ban, Exchange, Identity } from '../exchange.ts'
import { readBearer } from './bearer.ts'
import type { Verifier } from './verifier.ts'

/** What `authenticate` is given. */
export interface AuthenticatePluginOptions {
  readonly verifierOf: (exchange: Exchange) => Pick<Verifier, 'verify' | 'hasVerified'>
  /** The error for a banned caller whose token was not good before. */
  readonly refusalOf: (ban: Ban) => GateError
  /** Told of each refusal. @param token empty when none could be read */
  readonly onRefused: (exchange: Exchange, error: GateError, token: string, rawHeaders: readonly string[]) => void
}

/** Writes whose token it is. A stranger's body is never read: this runs before. */
export default fp<AuthenticatePluginOptions>(
  async (app, { verifierOf, refusalOf, onRefused }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { exchange } = request
      let token = ''
      const refuse = (err: unknown) => {
        const error = errorFrom(err)
        // At once and not on the way out: the next request may be here before this answer is gone.
        if (error instanceof GateError) onRefused(exchange, error, token, request.raw.rawHeaders)
        done(error)
      }
      let found: Identity | Promise<Identity>
      try {
        const { ban, key } = exchange.client
        if (ban !== undefined) demandKnown(request.raw.rawHeaders, exchange, ban)
        token = readBearer(request.raw.rawHeaders, exchange.path)
        found = verifierOf(exchange).verify(token, key)
      } catch (err) {
        refuse(err)
        return
      }
      // A remembered token costs no turn of the event loop.
      if (!(found instanceof Promise)) {
        exchange.identity = found
        done()
        return
      }
      found.then(identity => {
        exchange.identity = identity
        done()
      }, refuse)
    })

    /**
     * Of a banned address no token is verified but one that was good before: guessing costs the gate nothing, and people behind
     * the same address stay as long as their tokens do.
     */
    function demandKnown(rawHeaders: readonly string[], exchange: Exchange, ban: Ban): void {
      let isKnown = false
      try {
        isKnown = verifierOf(exchange).hasVerified(readBearer(rawHeaders, exchange.path))
      } catch {
        // Without a token that can be read there is none that was good.
      }
      if (!isKnown) throw refusalOf(ban)
    }
  },
  { name: 'tollgate-authenticate', dependencies: ['tollgate-identify'] }
)

function errorFrom(err: unknown): Error {
  return err instanceof Error ? err : new GateError('TOLLGATE_INTERNAL', {}, { cause: err })
}
