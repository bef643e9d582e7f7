import fp from 'fastify-plugin'
import type { Shaper } from './shaper.ts'

/** Writes the body as the engine shall see it. */
export default fp<Shaper>(
  async (app, { shape }) => {
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      const { content } = exchange
      if (content !== null) {
        const { identity, call, target } = exchange
        const { bytes, removed } = shape({ content, call, identity, target })
        exchange.outgoing = { bytes, type: 'application/json' }
        exchange.removed = removed
        // What was read is not needed any more, and a stream may last for an hour.
        exchange.content = null
      }
      done()
    })
  },
  { name: 'tollgate-shape', dependencies: ['tollgate-route'] }
)
