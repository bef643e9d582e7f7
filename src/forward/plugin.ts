import proxy from '@fastify/http-proxy'
import fp from 'fastify-plugin'
import type { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { NowMs } from '../time.ts'
import type { SessionRules } from './session.ts'
import type { Transport } from './transport.ts'

/** What `forward` is given. */
export interface ForwardPluginOptions {
  readonly transport: Transport
  readonly nowMs: NowMs
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
  async (app, { transport, nowMs, farewell, rulesOf }) => {
    await app.register(proxy, {
      upstream: 'http://engine.invalid',
      undici: nothingByDefault,
      retryMethods: [],
      proxyPayloads: false,
      websocket: false,
      handler(request, reply) {
        const { exchange } = request
        const way = {
          exchange,
          response: reply.raw,
          nowMs,
          refuse: (error: GateError) => void reply.send(error),
          takeOver: () => void reply.hijack(),
          onBroken: (error: GateError) =>
            request.log.warn({ code: error.code, request: exchange.id, detail: error.detail }, error.message)
        }
        if (exchange.upgrade === null) transport.relay({ ...way, farewell }, request.headers)
        else transport.converse({ ...way, request: request.raw, rules: rulesOf(exchange) })
      }
    })
  },
  { name: 'tollgate-forward', dependencies: ['tollgate-shape'] }
)
