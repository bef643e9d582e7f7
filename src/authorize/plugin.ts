import fp from 'fastify-plugin'
import type { Policy } from './policy.ts'

/** Refuses what the bearer may not do. */
export default fp<Pick<Policy, 'authorize'>>(
  async (app, { authorize }) => {
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      authorize(exchange.identity, exchange.call)
      done()
    })
  },
  { name: 'tollgate-authorize', dependencies: ['tollgate-inspect'] }
)
