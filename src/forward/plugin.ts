import proxy from '@fastify/http-proxy'
import fp from 'fastify-plugin'
import type { GateError } from '../errors.ts'
import type { Exchange, Target } from '../exchange.ts'
import type { NowMs } from '../time.ts'
import type { SessionRules } from './session.ts'
import type { Transport } from './transport.ts'

/** What `forward` is given. */
export interface ForwardPluginOptions {
  readonly transport: Transport
  readonly nowMs: NowMs
  /**
   * Asked of a call that an engine has refused: changes what is sent and says so, or says null. The call is then sent once
   * more, and `taken` is called when the engine takes it.
   */
  readonly reconsider: (exchange: Exchange, error: GateError) => (() => void) | null
  /** Why a call must not go out after all, or null: its caller may have been revoked while it waited. */
  readonly demand: (exchange: Exchange) => GateError | null
  /** The event that tells a caller that its stream cannot be finished. */
  readonly farewell: (exchange: Exchange, error: GateError) => string
  /** What a WebSocket asks of the rooms while it goes on. */
  readonly rulesOf: (exchange: Exchange) => SessionRules
}

/**
 * What @fastify/http-proxy would send by itself: nothing. Its default transport verifies no certificate, retries,
 * copies headers both ways and leaves the engine working when a caller is gone.
 */
const nothingByDefault = {
  request(): never {
    throw new Error('every call goes through our own transport')
  }
}

/** Hands each call to the transport through http-proxy's `handler`, and never its bytes of the path. */
export default fp<ForwardPluginOptions>(
  async (app, { transport, nowMs, reconsider, demand, farewell, rulesOf }) => {
    await app.register(proxy, {
      upstream: 'http://engine.invalid',
      undici: nothingByDefault,
      retryMethods: [],
      proxyPayloads: false,
      websocket: false,
      handler(request, reply) {
        const { exchange } = request
        const unwanted = demand(exchange)
        if (unwanted !== null) {
          reply.send(unwanted)
          return
        }
        const way = {
          exchange,
          response: reply.raw,
          nowMs,
          onBroken: (error: GateError) =>
            request.log.warn({ code: error.code, request: exchange.id, detail: error.detail }, error.message)
        }
        if (exchange.upgrade !== null) {
          transport.converse({
            ...way,
            request: request.raw,
            rules: rulesOf(exchange),
            refuse: error => void reply.send(error),
            takeOver: () => void reply.hijack()
          })
          exchange.wentOut()
          return
        }
        const send = (onTaken: () => void) => {
          exchange.attempts++
          transport.relay({ ...way, refuse, takeOver: () => take(onTaken), farewell }, request.headers)
          exchange.wentOut()
        }
        const take = (onTaken: () => void) => {
          onTaken()
          // A stream may last for an hour, and nothing is sent again.
          exchange.outgoing = null
          exchange.hold?.release()
          reply.hijack()
        }
        const sendAgain = (error: GateError, target: Target, onTaken: () => void) => {
          exchange.failedTries = [...exchange.failedTries, { target: exchange.target, error }]
          exchange.target = target
          send(onTaken)
        }
        const refuse = (error: GateError, isUnbegun: boolean) => {
          const isGone = reply.raw.destroyed
          const moved = isUnbegun && !isGone ? (exchange.lease?.move() ?? null) : null
          if (moved !== null) {
            sendAgain(error, moved, () => {})
            return
          }
          // An engine that refuses what the gate asked for on its own has not begun either.
          const taken = isGone ? null : reconsider(exchange, error)
          if (taken === null) reply.send(error)
          else sendAgain(error, exchange.target, taken)
        }
        send(() => {})
      }
    })
  },
  { name: 'tollgate-forward', dependencies: ['tollgate-shape'] }
)
