import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { ClientResolver } from './client-ip.ts'

/** Writes whose address the request came from. */
export default fp<{ resolverOf: (exchange: Exchange) => ClientResolver }>(
  async (app, { resolverOf }) => {
    app.addHook('onRequest', ({ exchange, raw }, _reply, done) => {
      exchange.client = resolverOf(exchange)(raw.socket.remoteAddress, raw.rawHeaders)
      done()
    })
  },
  { name: 'tollgate-identify', dependencies: ['tollgate-accept'] }
)
