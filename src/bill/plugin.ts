import fp from 'fastify-plugin'
import { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Teller } from './teller.ts'

/** What `bill` is given. */
export interface BillPluginOptions {
  /** Null for a gate without a ledger. */
  readonly teller: Pick<Teller, 'ask'> | null
  /** @throws GateError when the team of the caller is not served */
  readonly assertServed: (exchange: Exchange) => void
}

/** Tells the holder of a token what he has used. The question goes to no engine. */
export default fp<BillPluginOptions>(
  async (app, { teller, assertServed }) => {
    app.addHook('preHandler', ({ exchange }, reply, done) => {
      if (exchange.call.operation !== 'usage') {
        done()
        return
      }
      assertServed(exchange)
      if (teller === null) throw new GateError('TOLLGATE_BILL_OFF')
      const { iss, sub, team } = exchange.identity
      teller.ask({ iss, sub, team: team ?? '' }).then(answer => {
        const body = JSON.stringify(answer)
        exchange.status = 200
        exchange.bytesOut = Buffer.byteLength(body)
        reply.header('content-type', 'application/json; charset=utf-8').header('cache-control', 'no-store').send(body)
      }, done)
    })
  },
  { name: 'tollgate-bill', dependencies: ['tollgate-authorize'] }
)
