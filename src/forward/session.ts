import type { IncomingMessage, ServerResponse } from 'node:http'
import type { WebSocket } from 'ws'
import { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { type Ms, msFromSec, type NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'
import type { Bag, Placed } from './bag.ts'
import type { Connections } from './connections.ts'
import { dial } from './dial.ts'
import { failureFrom, timeoutError } from './failures.ts'
import { requestHeaders } from './headers.ts'
import { UnfinishedMessage } from './unfinished.ts'
import { acceptSocket, answerPing, bufferOf, CLOSE, part, pass } from './websocket.ts'

/**
 * Judges a message of the caller.
 * @param refuse ends the session, for what is known only after the message has gone on
 * @returns what the engine gets instead @throws GateError when it gets nothing
 */
export type Judge = (message: Buffer, refuse: (error: GateError) => void) => Buffer

/** What a realtime session asks of the rooms while it goes on. */
export interface SessionRules {
  readonly judge: Judge
  /** Throws a GateError as soon as the token of the session is not good any more. */
  readonly recheck: () => void
  /** The event that tells a caller of an error. */
  readonly eventOf: (error: GateError) => string
  /** Told what messages of the caller take of memory now. @returns false when it is too much */
  readonly holds: (bytes: Bytes) => boolean
}

/** What a session needs of its surroundings. */
export interface SessionInit {
  readonly exchange: Exchange
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly connections: Connections
  readonly inFlight: Bag<Placed & { readonly exchange: Exchange; shutDown(error?: GateError): void }>
  readonly rules: SessionRules
  readonly maxMessageBytes: Bytes
  readonly nowMs: NowMs
  /** Told once when the engine could not be reached: the refusal is an answer of HTTP. */
  readonly refuse: (error: GateError) => void
  /** Told once, right before the connection becomes a WebSocket. */
  readonly takeOver: () => void
  /** Told once, when the session ended by a failure. */
  readonly onBroken: (error: GateError) => void
}

/** A token that is taken back ends its sessions within so long. */
const RECHECK_MS: Ms = 5_000
/** A caller who does not answer a ping until the next one has gone without a word. */
const PING_MS: Ms = 20_000

/**
 * Carries a realtime session: a WebSocket to the engine, then one to the caller, and messages between them.
 *
 * The engine is reached before the caller's connection is upgraded, so that whatever goes wrong until then is an answer of
 * HTTP. Every message of the caller is judged; those of the engine pass. A side that does not read holds back the other.
 * Ends with the token, with either side, with its time.
 */
export class Session implements Placed {
  place = -1
  readonly #init: SessionInit
  readonly #engine: WebSocket
  #caller: WebSocket | null = null
  readonly #unfinished = new UnfinishedMessage()
  #isDone = false
  #isAlive = true
  #watch: NodeJS.Timeout | null = null
  #ping: NodeJS.Timeout | null = null
  #total: NodeJS.Timeout | null = null

  constructor(init: SessionInit) {
    this.#init = init
    const { exchange, connections, response, maxMessageBytes, inFlight } = init
    const { call } = exchange
    inFlight.add(this)
    response.once('close', () => {
      inFlight.remove(this)
      // The library tells of the end after this; a goodbye has changed its state before.
      const isGoodbye = this.#caller !== null && this.#caller.readyState !== this.#caller.OPEN
      this.#callerClosed(isGoodbye ? CLOSE.NORMAL : CLOSE.ABNORMAL)
    })
    this.#engine = dial({
      connections,
      engine: exchange.target.engine,
      // Routers choose by it; vLLM and SGLang take no notice.
      path: call.model === null ? call.path : `${call.path}?model=${encodeURIComponent(call.model)}`,
      headers: requestHeaders({
        caller: init.request.headers,
        requestId: exchange.id,
        path: call.path,
        contentType: null,
        apiKey: connections.target.apiKey
      }),
      maxMessageBytes,
      onOpen: () => this.#open(),
      onRefused: error => this.#refused(error)
    })
  }

  get exchange(): Exchange {
    return this.#init.exchange
  }

  /** Ends the session because the gate must stop, or for an error that is given. */
  shutDown(error = new GateError('TOLLGATE_FORWARD_SHUTDOWN', { ...this.#point() })): void {
    this.#fail(error)
  }

  #refused(error: GateError): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#init.refuse(error)
  }

  #open(): void {
    const { exchange, request, maxMessageBytes, connections, takeOver } = this.#init
    if (this.#isDone || exchange.upgrade === null) {
      this.#engine.terminate()
      return
    }
    takeOver()
    exchange.status = 101
    acceptSocket({
      request,
      upgrade: exchange.upgrade,
      maxMessageBytes,
      headers: [`x-request-id: ${exchange.id}`],
      onBytes: piece => {
        this.#unfinished.chunk(piece)
        this.#account()
      },
      onOpen: caller => {
        this.#caller = caller
        this.#join(caller)
      }
    })
    this.#ping = setInterval(() => this.#beat(), PING_MS)
    const { totalMs } = connections.target.timeouts
    this.#total = setTimeout(() => this.#fail(timeoutError('total', totalMs, this.#point())), totalMs)
    // Last, because it may end the session at once.
    this.#watchToken()
  }

  #join(caller: WebSocket): void {
    const engine = this.#engine
    const { exchange, nowMs } = this.#init
    caller.on('message', (data, isBinary) => this.#hear(bufferOf(data), isBinary))
    caller.on('ping', data => answerPing(caller, data))
    caller.on('pong', () => {
      this.#isAlive = true
    })
    caller.on('error', cause => this.#callerFailed(cause))
    caller.on('close', code => this.#callerClosed(code))
    engine.on('message', (data, isBinary) => {
      if (this.#isDone) return
      exchange.firstByteAtMs ??= nowMs()
      const bytes = bufferOf(data)
      exchange.bytesOut += bytes.length
      pass(bytes, isBinary, engine, caller)
    })
    engine.on('error', cause => this.#fail(failureFrom(cause, { ...this.#point(), wasSent: true })))
    engine.on('close', code => this.#engineClosed(code))
  }

  #hear(message: Buffer, isBinary: boolean): void {
    if (this.#isDone || this.#caller === null) return
    const { exchange, rules } = this.#init
    exchange.bytesIn += message.length
    if (isBinary) {
      this.#fail(new GateError('TOLLGATE_INSPECT_EVENT', { why: 'binary' }), CLOSE.UNSUPPORTED)
      return
    }
    let judged: Buffer
    try {
      judged = rules.judge(message, error => this.#fail(error))
    } catch (err) {
      const error = err instanceof GateError ? err : new GateError('TOLLGATE_INTERNAL', {}, { cause: err })
      // What no engine would know is answered as an engine would, and the session goes on.
      // A caller who does not read such answers is not read either.
      if (error.code === 'TOLLGATE_INSPECT_EVENT') {
        pass(rules.eventOf(error), false, this.#caller, this.#caller)
      } else this.#fail(error)
      return
    }
    pass(judged, false, this.#caller, this.#engine, () => this.#account())
    this.#account()
  }

  /** Counts what of a message has come, and what waits for the engine. */
  #account(): void {
    if (this.#isDone || this.#init.rules.holds(this.#unfinished.heldBytes + this.#engine.bufferedAmount)) return
    this.#fail(new GateError('TOLLGATE_INSPECT_OVERLOADED'))
  }

  #watchToken(): void {
    const { exchange, nowMs, rules } = this.#init
    try {
      rules.recheck()
    } catch (err) {
      this.#fail(err instanceof GateError ? err : new GateError('TOLLGATE_INTERNAL', {}, { cause: err }))
      return
    }
    const leftMs = msFromSec(exchange.identity.expSec) - nowMs()
    this.#watch = setTimeout(() => this.#watchToken(), Math.max(1, Math.min(RECHECK_MS, leftMs)))
  }

  #beat(): void {
    const caller = this.#caller
    // One that is not read cannot be heard to answer.
    if (caller === null || caller.isPaused) return
    if (this.#isAlive) {
      this.#isAlive = false
      caller.ping()
    } else {
      this.#callerClosed(CLOSE.ABNORMAL)
      caller.terminate()
    }
  }

  #engineClosed(code: number): void {
    if (this.#isDone) return
    if (code !== CLOSE.NORMAL && code !== CLOSE.GOING_AWAY && code !== CLOSE.NO_STATUS) {
      this.#fail(new GateError('TOLLGATE_FORWARD_BROKEN', { ...this.#point(), closeCode: code }))
      return
    }
    this.#finish()
    this.#init.exchange.ending = 'answered'
    if (this.#caller !== null) part(this.#caller, CLOSE.NORMAL)
  }

  /** Bytes that are no WebSocket, or a message that is too long: the library closes the connection by itself. */
  #callerFailed(cause: Error): void {
    if (this.#isDone) return
    const isTooBig = 'code' in cause && cause.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
    const { maxMessageBytes } = this.#init
    this.#fail(
      isTooBig
        ? new GateError('TOLLGATE_INSPECT_SIZE', { limitBytes: maxMessageBytes }, { cause })
        : new GateError('TOLLGATE_INSPECT_EVENT', { why: 'no WebSocket message' }, { cause }),
      isTooBig ? CLOSE.TOO_BIG : CLOSE.POLICY
    )
  }

  #callerClosed(code: number): void {
    if (this.#isDone) return
    this.#finish()
    this.#init.exchange.ending = code === CLOSE.ABNORMAL ? 'client_left' : 'answered'
    if (this.#engine.readyState === this.#engine.OPEN) part(this.#engine, CLOSE.NORMAL)
    else this.#engine.terminate()
  }

  #fail(error: GateError, code = closeCodeOf(error)): void {
    if (this.#isDone) return
    const caller = this.#caller
    if (caller === null) {
      this.#refused(error)
      this.#engine.terminate()
      return
    }
    this.#finish()
    const { exchange, rules, onBroken } = this.#init
    exchange.failure = error
    exchange.ending = error.row.fault === 'client' ? 'answered' : 'broken'
    if (exchange.ending === 'broken') onBroken(error)
    if (caller.readyState === caller.OPEN) {
      caller.send(rules.eventOf(error))
      part(caller, code)
    }
    part(this.#engine, CLOSE.NORMAL)
  }

  #finish(): void {
    this.#isDone = true
    if (this.#watch !== null) clearTimeout(this.#watch)
    if (this.#ping !== null) clearInterval(this.#ping)
    if (this.#total !== null) clearTimeout(this.#total)
    // Goodbyes are messages too.
    this.#caller?.resume()
    this.#engine.resume()
  }

  #point() {
    const { pool, origin } = this.#init.connections.target
    return { pool, origin, wasSent: true }
  }
}

function closeCodeOf({ code, row }: GateError): number {
  if (code === 'TOLLGATE_FORWARD_SHUTDOWN') return CLOSE.RESTART
  if (code === 'TOLLGATE_INSPECT_OVERLOADED') return CLOSE.TRY_LATER
  return row.fault === 'client' ? CLOSE.POLICY : CLOSE.INTERNAL
}
