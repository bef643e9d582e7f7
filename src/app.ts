import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import accept, { type SettleStep } from './accept/plugin.ts'
import { type ConnectionLimits, serverOptions } from './accept/server-options.ts'
import authenticate from './authenticate/plugin.ts'
import type { Verifier } from './authenticate/verifier.ts'
import authorizePlugin from './authorize/plugin.ts'
import type { Policy } from './authorize/policy.ts'
import { GateError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import forward from './forward/plugin.ts'
import { streamErrorFrom } from './forward/stream-error.ts'
import type { Transport } from './forward/transport.ts'
import type { ClientResolver } from './identify/client-ip.ts'
import identify from './identify/plugin.ts'
import type { Endpoints } from './inspect/endpoints.ts'
import { readEvent } from './inspect/events.ts'
import type { InspectOptions } from './inspect/options.ts'
import inspect from './inspect/plugin.ts'
import meter, { measure } from './meter/plugin.ts'
import { dialectOf, errorData, errorEvent, sessionEvent } from './refuse/body.ts'
import refuse from './refuse/plugin.ts'
import route from './route/plugin.ts'
import type { RouteTable } from './route/table.ts'
import { shapeEvent } from './shape/events.ts'
import shapePlugin from './shape/plugin.ts'
import type { Shaper } from './shape/shaper.ts'
import type { NowMs } from './time.ts'

/** Everything that the rooms are given. `deps.ts` builds it from a configuration; tests build it by hand. */
export interface AppDeps {
  readonly log: FastifyBaseLogger
  readonly nowMs: NowMs
  readonly limits: ConnectionLimits
  readonly names: readonly string[]
  readonly tls: { readonly cert: string; readonly key: string } | null
  readonly resolveClient: ClientResolver
  readonly verify: Verifier['verify']
  readonly recheck: Verifier['recheck']
  readonly inspect: InspectOptions
  readonly endpoints: Endpoints
  readonly policy: Policy
  readonly table: RouteTable
  readonly shaper: Shaper
  readonly transport: Transport
  /** Writes down a settled exchange. */
  readonly audit: SettleStep
}

/** The whole gate, without a socket. The order of the lines is the order of the rooms. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const { policy, table, transport, nowMs } = deps
  const app = fastify(
    serverOptions({ log: deps.log, limits: deps.limits, tls: deps.tls, isSocket: deps.endpoints.isSocket })
  )

  await app.register(accept, {
    nowMs,
    names: deps.names,
    readerStallMs: deps.limits.readerStallMs,
    // The way out, in order, once per request, however it ended.
    settle: [
      measure,
      function write(exchange) {
        deps.audit(exchange)
      }
    ]
  })
  await app.register(refuse)
  await app.register(identify, { resolve: deps.resolveClient })

  await app.register(async gated => {
    await gated.register(authenticate, { verify: deps.verify })
    await gated.register(inspect, {
      endpoints: deps.endpoints,
      options: deps.inspect,
      mayMultimodal: policy.mayMultimodal
    })
    await gated.register(authorizePlugin, { authorize: policy.authorize })
    await gated.register(route, { table, mayUseModel: policy.mayUseModel, nowMs })
    await gated.register(shapePlugin, deps.shaper)
    await gated.register(meter, { mend })
    await gated.register(forward, {
      transport,
      nowMs,
      reconsider: deps.shaper.retreat,
      farewell: (exchange, error) => errorEvent(error, dialectOf(exchange.path)),
      rulesOf: exchange => ({
        judge: createJudge(deps, exchange),
        recheck: () => deps.recheck(exchange.identity),
        eventOf: sessionEvent
      })
    })
    // Reached by methods that no route has; the rooms before have run, so the answer tells a stranger nothing.
    gated.setNotFoundHandler(() => {
      throw new GateError('TOLLGATE_INSPECT_ROUTE')
    })
  })
  return app
}

/** An engine that fails in the middle of a stream is told of in the words of the gate, and stands in the log. */
function mend(exchange: Exchange, said: unknown): { text: string; code: string; message: string } {
  const error = streamErrorFrom(said, exchange)
  exchange.failure ??= error
  const { code, message } = error.told
  return { text: errorData(error, dialectOf(exchange.path)), code, message }
}

/**
 * The rooms once more, for each message of a realtime session: what is asked, may they, is it served there, and what the
 * engine shall read. Nothing goes on before a first event has settled the model.
 */
function createJudge({ inspect, policy, table }: AppDeps, exchange: Exchange): (message: Buffer) => Buffer {
  let isSettled = false
  return message => {
    const event = readEvent(message, inspect.aliases)
    if (event.type === 'session.update') {
      const { model, modelAsked } = event.model === null ? exchange.call : event
      if (model === null) throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model' })
      const call = { ...exchange.call, model, modelAsked }
      policy.authorize(exchange.identity, call)
      table.check(exchange.identity, model, exchange.target)
      exchange.call = call
      isSettled = true
    }
    const { model } = exchange.call
    if (!isSettled || model === null) throw new GateError('TOLLGATE_INSPECT_EVENT', { param: 'type' })
    const { bytes, removed } = shapeEvent({ ...event, model, engine: exchange.target.engine })
    if (removed.length > 0) exchange.removed = removed
    return bytes
  }
}
