import fp from 'fastify-plugin'
import { GateError } from '../errors.ts'
import type { Call, Exchange, Lease } from '../exchange.ts'
import { type NowMs, secFromMs } from '../time.ts'
import { CLASS_HEADER } from './classes.ts'
import { workOf } from './cost.ts'
import { modelCard, modelList } from './models-list.ts'
import { sessionKey } from './session-key.ts'
import type { RouteTable } from './table.ts'

/** What `route` is given. */
export interface RoutePluginOptions {
  readonly tableOf: (exchange: Exchange) => RouteTable
  /** Whether the token opens some call of the model: others are not listed. */
  readonly mayUseModel: (exchange: Exchange, model: string) => boolean
  readonly nowMs: NowMs
}

/** Writes to which engine the call goes. Questions for models are answered here and go to none. */
export default fp<RoutePluginOptions>(
  async (app, { tableOf, mayUseModel, nowMs }) => {
    app.addHook('preHandler', (request, reply, done) => {
      const { exchange } = request
      const answer = answerTo(exchange.call, exchange)
      if (answer === null) {
        const table = tableOf(exchange)
        const pool = table.find(exchange.identity, exchange.call)
        const entered = pool.enter({
          ...table.partyOf(exchange.identity, request.headers[CLASS_HEADER]),
          model: exchange.call.model,
          work: () => workOf(exchange),
          session: () => sessionKey(exchange.identity.team ?? '', request.headers['x-session-id'], exchange.content),
          onLeave: leave => reply.raw.once('close', leave)
        })
        const enter = (lease: Lease) => {
          exchange.lease = lease
          exchange.target = lease.target
          done()
        }
        if (!(entered instanceof Promise)) {
          enter(entered)
          return
        }
        const sinceMs = performance.now()
        entered.then(lease => {
          exchange.waited(performance.now() - sinceMs)
          // A place that comes when the caller has just left is nobody's.
          if (exchange.endedAtMs === null) enter(lease)
          else lease.release()
        }, done)
        return
      }
      const body = JSON.stringify(answer)
      exchange.status = 200
      exchange.bytesOut = Buffer.byteLength(body)
      reply.header('content-type', 'application/json; charset=utf-8').header('cache-control', 'no-store').send(body)
    })

    function answerTo({ operation, model }: Call, exchange: Exchange): object | null {
      if (operation !== 'models' && operation !== 'model') return null
      const names = tableOf(exchange)
        .modelsOf(exchange.identity)
        .filter(name => mayUseModel(exchange, name))
      const nowSec = secFromMs(nowMs())
      if (operation === 'models') return modelList(names, nowSec)
      if (model === null || !names.includes(model)) {
        throw new GateError('TOLLGATE_ROUTE_MODEL', { param: 'model', model })
      }
      return modelCard(model, nowSec)
    }
  },
  { name: 'tollgate-route', dependencies: ['tollgate-authorize'] }
)
