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

/** A finalizer: writes what the engine has told of the call. What it has not told is for the one behind it, `completion`. */
export function measure(exchange: Exchange): void {
  const { tap } = exchange
  if (tap === null) return
  const usage = tap.usage()
  // Without reporting the tap was there for what engines say of their failures alone.
  exchange.isUsageOff = exchange.reporting === null
  exchange.usage = exchange.isUsageOff ? null : usage
  exchange.contentBytes = tap.contentBytes
  exchange.bareEvents = tap.bareEvents
  exchange.unreadEvents = tap.unread
  // It may hold a piece of the answer.
  exchange.tap = null
}
