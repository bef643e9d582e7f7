import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { GateError } from '../errors.ts'
import type { Exchange, ExchangeInit } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import { answerBrokenSocket } from './broken-socket.ts'
import type { Cors } from './cors.ts'
import { checkHead } from './head.ts'
import type { OverloadGuard } from './overload.ts'
import { cutStalledReader } from './stall.ts'
import { routeUpgrades } from './upgrade.ts'

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange
  }
}

/** One step of the way out. Synchronous: it may only enqueue. */
export type SettleStep = (exchange: Exchange) => void

/** What `accept` is given. */
export interface AcceptPluginOptions {
  readonly nowMs: NowMs
  /** Makes the exchange of a request. */
  readonly open: (init: ExchangeInit) => Exchange
  /** Accepted Host names in lower case; empty accepts every valid one. */
  readonly namesOf: (exchange: Exchange) => ReadonlySet<string>
  /** What pages of other origins are told; null for nothing. */
  readonly corsOf: (exchange: Exchange) => Cors | null
  /** The way out, in order, once per request, however it ended. */
  readonly settle: readonly SettleStep[]
  /** A caller who takes nothing of what is written for so long is cut. */
  readonly readerStallMs: Ms
  readonly overload: Pick<OverloadGuard, 'level' | 'onLevel'>
  /** Whether a connection begins with a handshake that costs more than all the rest. */
  readonly isTls: boolean
}

/** Opens the exchange, judges the head, arranges the way out. */
export default fp<AcceptPluginOptions>(
  async (app, { nowMs, open, namesOf, corsOf, settle, readerStallMs, overload, isTls }) => {
    const cut = new WeakSet<ServerResponse>()
    const onStall = cutStalledReader(readerStallMs, response => cut.add(response))
    const latest = new WeakMap<Socket, ServerResponse>()
    app.server.on('clientError', (error: Error, socket: Socket) => {
      answerBrokenSocket({ error, socket, response: latest.get(socket) })
    })
    const upgradeOf = routeUpgrades(app)
    // Node would tell everyone to go on sending; here the rooms decide first, and `inspect` says it.
    app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response))

    if (isTls) {
      // Whoever comes anew to a busy gate is sent away before the handshake.
      overload.onLevel(level => {
        app.server.maxConnections = level === 'normal' ? Number.POSITIVE_INFINITY : 0
      })
    }

    app.decorateRequest('exchange')
    app.addHook('onRequest', (request, reply, done) => {
      const upgrade = upgradeOf(request.raw)
      const exchange = open({
        id: request.id,
        startedAtMs: nowMs(),
        method: request.method,
        path: pathOf(request),
        upgrade
      })
      request.exchange = exchange
      latest.set(request.raw.socket, reply.raw)
      // 'close', not onResponse: that one hangs on 'finish', which never comes when the client leaves
      // in the middle of a stream (fastify#6208).
      reply.raw.once('close', () => {
        if (cut.has(reply.raw)) exchange.failure ??= new GateError('TOLLGATE_ACCEPT_STALLED')
        exchange.ending ??= reply.raw.writableEnded ? 'answered' : 'client_left'
        exchange.endedAtMs = nowMs()
        for (const step of settle) {
          try {
            step(exchange)
          } catch (err) {
            request.log.error({ err, step: step.name, request: exchange.id }, 'a step of the way out failed')
          }
        }
      })
      reply.raw.on('timeout', onStall)
      reply.raw.setHeader('x-request-id', exchange.id)
      // Where Anthropic's libraries look for it.
      if (exchange.path.startsWith('/v1/messages')) reply.raw.setHeader('request-id', exchange.id)
      const { httpVersion, method, headers, rawHeaders } = request.raw
      // Before anything can refuse: a page reads no error that does not name its origin.
      const isPreflight = corsOf(exchange)?.greet(method, headers, reply.raw) === true
      if (overload.level === 'shed_all') throw new GateError('TOLLGATE_ACCEPT_OVERLOADED')
      checkHead({ httpVersion, method, rawHeaders, isUpgrade: upgrade !== null }, namesOf(exchange))
      if (isPreflight) {
        // It carries no token, and the rooms behind would refuse it for that.
        exchange.status = 204
        reply.code(204).send()
        return
      }
      done()
    })
  },
  { name: 'tollgate-accept' }
)

function pathOf(request: FastifyRequest): string {
  const url = request.originalUrl
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
