import fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { ConnectionErrors } from './accept/connection-errors.ts'
import type { OpenSockets } from './accept/open-sockets.ts'
import type { OverloadGuard } from './accept/overload.ts'
import accept, { type SettleStep } from './accept/plugin.ts'
import { ReadTurns } from './accept/read-turns.ts'
import { type ConnectionLimits, serverOptions, type TlsTexts } from './accept/server-options.ts'
import authenticate from './authenticate/plugin.ts'
import authorize from './authorize/plugin.ts'
import bill from './bill/plugin.ts'
import type { Teller } from './bill/teller.ts'
import type { Charger } from './charge/charger.ts'
import charge from './charge/plugin.ts'
import { GateError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import forward from './forward/plugin.ts'
import { streamErrorFrom } from './forward/stream-error.ts'
import type { Transport } from './forward/transport.ts'
import type { Bans } from './identify/bans.ts'
import type { Connections } from './identify/connections.ts'
import identify, { closeToBanned } from './identify/plugin.ts'
import type { BodyBudget } from './inspect/body-budget.ts'
import inspect from './inspect/plugin.ts'
import { createJudge } from './judge.ts'
import limit from './limit/plugin.ts'
import meter, { measure } from './meter/plugin.ts'
import mint, { type MintPluginOptions } from './mint/plugin.ts'
import { dialectOf, errorData, errorEvent, sessionEvent } from './refuse/body.ts'
import refuse from './refuse/plugin.ts'
import route from './route/plugin.ts'
import { PinnedExchange, type Rules, rulesOf } from './rules.ts'
import shape from './shape/plugin.ts'
import { suspectAddress, suspectCaller } from './suspect/plugin.ts'
import type { Suspicion } from './suspect/suspicion.ts'
import type { NowMs } from './time.ts'

/** Everything that the rooms are given. `deps.ts` builds it from a configuration; tests build it by hand. */
export interface AppDeps {
  readonly log: FastifyBaseLogger
  readonly nowMs: NowMs
  readonly limits: ConnectionLimits
  readonly tls: TlsTexts | null
  /** What a request that begins now is judged by. */
  readonly rules: () => Rules
  readonly transport: Transport
  /** Which addresses are banned. */
  readonly bans: Bans
  /** How many connections each address holds. */
  readonly connections: Pick<Connections, 'take' | 'strangerOf'>
  /** Every connection of callers, and its clocks. */
  readonly sockets: OpenSockets
  /** Counts what callers did wrong before there was a request. */
  readonly connectionErrors: Pick<ConnectionErrors, 'add' | 'counts'>
  /** What is let in while the gate itself has too much to do. */
  readonly overload: OverloadGuard
  readonly bodies: BodyBudget
  /** Completes what a call has used, where its engine has not told. */
  readonly complete: SettleStep
  /** The ledger; null without one. */
  readonly charger: Charger | null
  /** Why a call of somebody who was revoked must not go on, or null. */
  readonly revoked: (exchange: Exchange) => GateError | null
  /** Tells what was used; null without a ledger. */
  readonly teller: Teller | null
  /** Issues tokens; null without. */
  readonly mint: MintPluginOptions | null
  /** Writes down a settled exchange. */
  readonly audit: SettleStep
  /** Counts a settled exchange. */
  readonly observe: SettleStep
  /** Looks at settled exchanges for what looks like misuse, and refuses whom it has throttled. */
  readonly suspicion: Pick<Suspicion, 'observe' | 'checkAddress' | 'checkCaller'>
}

/** The whole gate, without a socket. The order of the lines is the order of the rooms. */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const { log, limits, tls, rules, transport, bans, nowMs, charger } = deps
  const configOf = (exchange: Exchange) => rulesOf(exchange).config
  const isSocket = (rawUrl: string) => rules().inspection.endpoints.isSocket(rawUrl)
  const turns = new ReadTurns()
  const app = fastify(serverOptions({ log, limits, tls, isSocket, spend: turns.spend }))

  await app.register(accept, {
    nowMs,
    sockets: deps.sockets,
    turns,
    callerOf: ({ socket, rawHeaders }) => rules().resolveClient(socket.remoteAddress, rawHeaders).key,
    admit: socket => deps.connections.take(socket),
    strangerOf: socket => deps.connections.strangerOf(socket),
    onConnectionError: (code, address) => deps.connectionErrors.add(code, address),
    // Every request keeps the rules that it began under, whatever is loaded meanwhile. Also one that is refused first of all has
    // an address.
    open(init, { socket, rawHeaders }) {
      const exchange = new PinnedExchange(init, rules())
      exchange.client = exchange.rules.resolveClient(socket.remoteAddress, rawHeaders)
      return exchange
    },
    namesOf: exchange => rulesOf(exchange).names,
    corsOf: exchange => rulesOf(exchange).cors,
    readerStallMs: limits.readerStallMs,
    overload: deps.overload,
    isTls: tls !== null,
    // The way out, in order, once per request, however it ended.
    settle: [
      measure,
      // Before whatever charges, writes down or counts.
      function complete(exchange) {
        deps.complete(exchange)
      },
      function charge(exchange) {
        charger?.charge(exchange, configOf(exchange))
      },
      function settle(exchange) {
        exchange.reservation?.settle(exchange)
      },
      function leave(exchange) {
        exchange.lease?.release(exchange)
        exchange.hold?.release()
      },
      function write(exchange) {
        deps.audit(exchange)
      },
      function observe(exchange) {
        deps.observe(exchange)
      },
      // Last: a line about a request comes behind the line of the request.
      function suspect(exchange) {
        deps.suspicion.observe(exchange)
      }
    ]
  })
  await app.register(refuse, deps.mint === null ? {} : { oauthPaths: deps.mint.paths })
  await app.register(identify, { bans })
  await app.register(async open => {
    await open.register(closeToBanned, { bans })
    if (deps.mint !== null) await open.register(mint, deps.mint)
  })

  await app.register(async gated => {
    await gated.register(suspectAddress, { suspicion: deps.suspicion })
    await gated.register(authenticate, {
      verifierOf: exchange => rulesOf(exchange).verifier,
      refusalOf: ban => bans.refusal(ban),
      onRefused: ({ client }, error, token, rawHeaders) => bans.blame(client, error, token, rawHeaders)
    })
    await gated.register(suspectCaller, { suspicion: deps.suspicion })
    await gated.register(inspect, { inspectionOf: exchange => rulesOf(exchange).inspection, budget: deps.bodies })
    await gated.register(authorize, { policyOf: exchange => rulesOf(exchange).policy })
    await gated.register(bill, {
      teller: deps.teller,
      assertServed: exchange => {
        rulesOf(exchange).table.modelsOf(exchange.identity)
      }
    })
    await gated.register(limit, { limiterOf: exchange => rulesOf(exchange).limiter, modelsOf })
    await gated.register(route, {
      tableOf: exchange => rulesOf(exchange).table,
      mayUseModel,
      nowMs
    })
    await gated.register(shape, { shaperOf: exchange => rulesOf(exchange).shaper })
    await gated.register(meter, { mend })
    if (charger !== null) await gated.register(charge, { charger, configOf })
    await gated.register(forward, {
      transport,
      nowMs,
      reconsider: (exchange, error) => rulesOf(exchange).shaper.retreat(exchange, error),
      demand: deps.revoked,
      farewell: (exchange, error) => errorEvent(error, dialectOf(exchange.path)),
      rulesOf: exchange => {
        const hold = deps.bodies.open()
        exchange.hold = hold
        return {
          judge: createJudge(rulesOf(exchange), exchange),
          recheck: () => rulesOf(exchange).verifier.recheck(exchange.identity),
          eventOf: sessionEvent,
          holds: bytes => hold.set(bytes)
        }
      }
    })
    // Reached by methods that no route has; the rooms before have run, so the answer tells a stranger nothing.
    gated.setNotFoundHandler(() => {
      throw new GateError('TOLLGATE_INSPECT_ROUTE')
    })
  })
  return app
}

function mayUseModel(exchange: Exchange, model: string): boolean {
  return rulesOf(exchange).policy.mayUseModel(exchange.identity, model)
}

function modelsOf(exchange: Exchange): readonly string[] {
  const { table } = rulesOf(exchange)
  return table.modelsOf(exchange.identity).filter(model => mayUseModel(exchange, model))
}

/** An engine that fails in the middle of a stream is told of in the words of the gate, and stands in the log. */
function mend(exchange: Exchange, said: unknown): { text: string; code: string; message: string } {
  const error = streamErrorFrom(said, exchange)
  exchange.failure ??= error
  const { code, message } = error.told
  return { text: errorData(error, dialectOf(exchange.path)), code, message }
}
