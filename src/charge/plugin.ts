import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { Charger } from './charger.ts'

/** What `charge` is given. */
export interface ChargePluginOptions {
  readonly charger: Pick<Charger, 'open'>
  readonly configOf: (exchange: Exchange) => string
}

/** Opens the call in the ledger, last before it goes to its engine. */
export default fp<ChargePluginOptions>(
  async (app, { charger, configOf }) => {
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      // Nobody is charged for what nobody waits for.
      if (exchange.endedAtMs === null) charger.open(exchange, configOf(exchange))
      done()
    })
  },
  { name: 'tollgate-charge', dependencies: ['tollgate-meter'] }
)
