import fp from 'fastify-plugin'
import type { ClientResolver } from './client-ip.ts'

/** Writes whose address the request came from. */
export default fp<{ resolve: ClientResolver }>(
  async (app, { resolve }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      request.exchange.client = resolve(request.raw.socket.remoteAddress, request.raw.rawHeaders)
      done()
    })
  },
  { name: 'tollgate-identify', dependencies: ['tollgate-accept'] }
)
