import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { GateErrorCode } from '../codes.ts'
import { GateError } from '../errors.ts'
import type { Exchange, ExchangeInit } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import { answerBrokenSocket, brokenCode } from './broken-socket.ts'
import type { Cors } from './cors.ts'
import { deferHandshakes } from './defer-handshakes.ts'
import { checkHead } from './head.ts'
import { serveInOrder } from './in-order.ts'
import { LoopTurns } from './loop-turns.ts'
import type { OpenSockets } from './open-sockets.ts'
import type { OverloadGuard } from './overload.ts'
import type { ReadTurns } from './read-turns.ts'
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
  /** Makes the exchange of a request, and says whose address it came from. */
  readonly open: (init: ExchangeInit, raw: IncomingMessage) => Exchange
  readonly sockets: OpenSockets
  /** Shares the time of the parser between connections. */
  readonly turns: ReadTurns
  /** What the event loop is shared by: the address of the caller. */
  readonly callerOf: (request: IncomingMessage) => string
  /** Whether the address of a new connection may hold one more; false when it was destroyed. */
  readonly admit: (socket: Socket) => boolean
  readonly strangerOf: (socket: Socket) => string | null
  /** Told of each connection that ends without a request, or in the middle of one, for what its caller did. */
  readonly onConnectionError: (code: GateErrorCode, address: string) => void
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

/** Each takes up to half a millisecond. */
const REQUESTS_IN_TURN = 4

/** Opens the exchange, judges the head, arranges the way out. */
export default fp<AcceptPluginOptions>(
  async (app, options) => {
    const { nowMs, open, sockets, onConnectionError, namesOf, corsOf, settle, readerStallMs, overload, isTls } = options
    const { turns } = options
    const { server } = app
    const cut = new WeakSet<ServerResponse>()
    const onStall = cutStalledReader(readerStallMs, response => cut.add(response))
    const exchanges = new WeakMap<ServerResponse, Exchange>()
    /** Answered below Fastify, for what is wrong with their bodies. */
    const answered = new WeakMap<Exchange, GateError>()
    serveInOrder(server, (request, response) => app.routing(request, response), {
      onTooMany: ({ remoteAddress = '' }) => onConnectionError('TOLLGATE_ACCEPT_PIPELINE', remoteAddress),
      isEnding: () => sockets.isLettingGo,
      spend: turns.spend,
      turns: new LoopTurns(REQUESTS_IN_TURN),
      callerOf: options.callerOf
    })
    const beginTls = isTls ? deferHandshakes(server, turns) : null
    sockets.watch(server, { isTls, admit: options.admit, strangerOf: options.strangerOf })
    // Last of all: who was turned away by then gets no handshake.
    if (beginTls !== null) server.on('connection', beginTls)
    turns.watch(server, { isTls })
    sockets.knowsBy(response => exchanges.get(response)?.known.identity !== undefined)
    server.on('clientError', (error: Error, socket: Socket) => {
      const broken = { error, socket, open: sockets.of(socket) }
      const code = brokenCode(broken)
      const [response] = broken.open?.responses ?? []
      const isAnswered = answerBrokenSocket(broken, code)
      if (code === null) return
      const exchange = isAnswered && response !== undefined ? exchanges.get(response) : undefined
      if (exchange === undefined) onConnectionError(code, broken.open?.address ?? peerOf(socket))
      else answered.set(exchange, new GateError(code))
    })
    // Without a listener Node ends the connection without a word.
    server.on('connect', ({ socket }: IncomingMessage) => {
      // Node has taken its own listeners off: without one, a caller who resets would end the process.
      socket.on('error', () => socket.destroy())
      answerBrokenSocket({ error: new Error('CONNECT'), socket, open: sockets.of(socket) }, 'TOLLGATE_ACCEPT_METHOD')
      onConnectionError('TOLLGATE_ACCEPT_METHOD', socket.remoteAddress ?? '')
    })
    const upgradeOf = routeUpgrades(app)
    // Node would tell everyone to go on sending; here the rooms decide first, and `inspect` says it.
    for (const event of ['checkContinue', 'checkExpectation']) {
      server.on(event, (request, response) => server.emit('request', request, response))
    }

    if (isTls) {
      // Whoever comes anew to a busy gate is sent away before the handshake.
      overload.onLevel(level => {
        server.maxConnections = level === 'normal' ? Number.POSITIVE_INFINITY : 0
      })
      server.on('drop', ({ remoteAddress = '' } = {}) => onConnectionError('TOLLGATE_ACCEPT_OVERLOADED', remoteAddress))
    }

    app.decorateRequest('exchange')
    app.addHook('onRequest', (request, reply, done) => {
      const upgrade = upgradeOf(request.raw)
      const exchange = open(
        { id: request.id, startedAtMs: nowMs(), method: request.method, path: pathOf(request), upgrade },
        request.raw
      )
      request.exchange = exchange
      exchanges.set(reply.raw, exchange)
      // 'close', not onResponse: that one hangs on 'finish', which never comes when the client leaves
      // in the middle of a stream (fastify#6208).
      reply.raw.once('close', () => {
        if (cut.has(reply.raw)) exchange.failure ??= new GateError('TOLLGATE_ACCEPT_STALLED')
        const error = answered.get(exchange)
        if (error !== undefined)
          Object.assign(exchange, { failure: error, status: error.told.status, ending: 'answered' })
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

/** A TLS socket that has been closed knows its peer no more; the TCP socket below it does, which nothing documented leads to. */
function peerOf(socket: Socket & { readonly _parent?: Socket | null }): string {
  return socket.remoteAddress ?? socket._parent?.remoteAddress ?? ''
}

function pathOf(request: FastifyRequest): string {
  const url = request.originalUrl
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
