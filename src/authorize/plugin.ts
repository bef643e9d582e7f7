import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { Policy } from './policy.ts'

/** Refuses what the bearer may not do. */
export default fp<{ policyOf: (exchange: Exchange) => Pick<Policy, 'authorize'> }>(
  async (app, { policyOf }) => {
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      policyOf(exchange).authorize(exchange.identity, exchange.call)
      done()
    })
  },
  { name: 'tollgate-authorize', dependencies: ['tollgate-inspect'] }
)
