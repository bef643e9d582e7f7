import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { Shaper } from './shaper.ts'

/** Writes the body as the engine shall see it. */
export default fp<{ shaperOf: (exchange: Exchange) => Shaper }>(
  async (app, { shaperOf }) => {
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      const { content, form } = exchange
      if (content !== null) {
        const { identity, call, target } = exchange
        const { bytes, removed, reporting } = shaperOf(exchange).shape({ content, call, identity, target })
        exchange.outgoing = { bytes, type: 'application/json' }
        exchange.removed = removed
        exchange.reporting = reporting
        // What was read is not needed any more, and a stream may last for an hour.
        exchange.content = null
      } else if (form !== null) {
        const { outgoing, removed, reporting } = shaperOf(exchange).shapeForm(form, exchange.call, exchange.target)
        exchange.outgoing = outgoing
        exchange.removed = removed
        exchange.reporting = reporting
        exchange.form = null
      }
      done()
    })
  },
  { name: 'tollgate-shape', dependencies: ['tollgate-route'] }
)
