import fp from 'fastify-plugin'
import type { Exchange } from '../exchange.ts'
import type { Mend } from './events.ts'
import { createTaps } from './tap.ts'

/** What `meter` is given. */
export interface MeterPluginOptions {
  /** What an engine tells of its failure in the middle of a stream, in the gate's words. */
  readonly mend: (exchange: Exchange, error: unknown) => ReturnType<Mend>
}

/** Places the tap through which the engine's answer goes. */
export default fp<MeterPluginOptions>(
  async (app, { mend }) => {
    const tapFor = createTaps(mend)
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
  // Without reporting the tap was there for what engines say of their failures alone.
  exchange.usage = exchange.reporting === null ? null : tap.usage()
  exchange.contentBytes = tap.contentBytes
  exchange.unreadEvents = tap.unread
  // It may hold a piece of the answer.
  exchange.tap = null
}
