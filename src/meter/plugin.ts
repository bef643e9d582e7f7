import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import { createTaps } from './tap.ts'

/** Places the tap through which the engine's answer goes. */
export default fp(
  async app => {
    const tapFor = createTaps()
    app.addHook('preHandler', ({ exchange }, _reply, done) => {
      exchange.tap = tapFor(exchange)
      done()
    })
  },
  { name: 'tollgate-meter', dependencies: ['tollgate-shape'] }
)

/** A step of the way out: writes what the call has used. */
export function measure(exchange: Exchange): void {
  const { tap } = exchange
  if (tap === null) return
  exchange.usage = tap.usage()
  exchange.unreadEvents = tap.unread
  // It may hold a piece of the answer.
  exchange.tap = null
}
