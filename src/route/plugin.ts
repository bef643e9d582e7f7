import fp from 'fastify-plugin'
import type { RouteTable } from './table.ts'

/** Writes to which engine the call goes. The list of models is the gate's own answer and goes to none. */
export default fp<Pick<RouteTable, 'choose'>>(
  async (app, { choose }) => {
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      if (exchange.call.operation !== 'models') exchange.target = choose(exchange.identity, exchange.call)
      done()
    })
  },
  { name: 'tollgate-route', dependencies: ['tollgate-authorize'] }
)
