import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { Bans } from './bans.ts'
import type { ClientResolver } from './client-ip.ts'
import type { Connections } from './connections.ts'

/** What `identify` is given. */
export interface IdentifyPluginOptions {
  readonly resolverOf: (exchange: Exchange) => ClientResolver
  readonly bans: Pick<Bans, 'judge' | 'isStrict' | 'refusal'>
  readonly connections: Pick<Connections, 'take'>
}

/** Writes whose address the request came from, and whether it is banned. Turns away connections beyond what an address may hold. */
export default fp<IdentifyPluginOptions>(
  async (app, { resolverOf, bans, connections }) => {
    // Of a TLS listener too this is the plain socket, before the handshake.
    app.server.on('connection', (socket: Socket) => connections.take(socket))
    app.addHook('onRequest', ({ exchange, raw }, _reply, done) => {
      const client = resolverOf(exchange)(raw.socket.remoteAddress, raw.rawHeaders)
      const ban = bans.judge(client)
      exchange.client = ban === null ? client : { ...client, ban }
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
