import fp from 'fastify-plugin'
import type { Bans } from './bans.ts'

/** What `identify` is given. */
export interface IdentifyPluginOptions {
  readonly bans: Pick<Bans, 'judge' | 'isStrict' | 'refusal'>
}

/** Writes whether the address that the request came from is banned. */
export default fp<IdentifyPluginOptions>(
  async (app, { bans }) => {
    app.addHook('onRequest', ({ exchange }, _reply, done) => {
      const { client } = exchange
      const ban = bans.judge(client)
      if (ban !== null) exchange.client = { ...client, ban }
      // Else `authenticate` lets in whose token it has verified before.
      if (ban !== null && bans.isStrict) throw bans.refusal(ban)
      done()
    })
  },
  { name: 'tollgate-identify', dependencies: ['tollgate-accept'] }
)

/**
 * For routes that take no token: no banned address gets beyond this. Register it before them, in their scope.
 */
export const closeToBanned = fp<Pick<IdentifyPluginOptions, 'bans'>>(
  async (app, { bans }) => {
    app.addHook('onRequest', ({ exchange }, _reply, done) => {
      const { ban } = exchange.client
      if (ban !== undefined) throw bans.refusal(ban)
      done()
    })
  },
  { name: 'tollgate-close-to-banned', dependencies: ['tollgate-identify'] }
)
