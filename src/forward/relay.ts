import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { ByteCollector } from '../byte-collector.ts'
import { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Bag, Placed } from './bag.ts'
import { Clocks } from './clocks.ts'
import type { Connection, Connections } from './connections.ts'
import { endsEvent, HEARTBEAT } from './event-stream.ts'
import { blamesEngine, type FailurePoint, failureFrom, type RelayTimeout, timeoutError } from './failures.ts'
import { foreignSign } from './foreign.ts'
import { isEventStream, responseHeaders } from './headers.ts'
import { MAX_ERROR_BYTES, type Rejection, rejectionFrom, retryAfterOf, unfitFrom } from './rejection.ts'
import { Staleness } from './staleness.ts'

/** What a relay needs of its surroundings. */
export interface RelayInit {
  readonly exchange: Exchange
  readonly connections: Connections
  /** Where the relay stays until the caller's response has closed. */
  readonly inFlight: Bag<Placed & { readonly exchange: Exchange; shutDown(error?: GateError): void }>
  readonly response: ServerResponse
  readonly heartbeatMs: Ms
  readonly nowMs: NowMs
  /**
   * Told once, when nothing has been written yet: the refusal leaves by its own door.
   * @param isUnbegun no engine can have begun the call, so that it may be sent once more
   */
  readonly refuse: (error: GateError, isUnbegun: boolean) => void
  /** Told once, right before the first byte is written to the raw response. */
  readonly takeOver: () => void
  /** Told once, when the engine failed after the first byte. */
  readonly onBroken: (error: GateError) => void
  /** The event that tells a caller that its stream cannot be finished. */
  readonly farewell: (exchange: Exchange, error: GateError) => string
}

/** Thrown into the transport when the caller has left. */
const CALLER_LEFT = new Error('the caller left')

/**
 * Carries one call to an engine and its answer back, piece by piece, between undici's dispatcher and the raw response.
 *
 * Writes each piece as it comes and stops reading from the engine while the caller's socket is full.
 * Closes the engine's connection as soon as the caller's is closed, before or after the first byte.
 */
export class Relay implements Dispatcher.DispatchHandler, Placed {
  place = -1
  readonly #init: RelayInit
  readonly #connection: Connection
  #controller: Dispatcher.DispatchController | null = null
  #state: 'waiting' | 'rejecting' | 'answering' | 'done' = 'waiting'
  /** An answer of 400 and above, while it is read. */
  #rejection: Rejection | null = null
  #isStream = false
  #isPaused = false
  /** Bytes that the answer still owes by its content-length; NaN when it has none. */
  #owedBytes = Number.NaN
  /** True when the last piece ended an event, so that an event of ours can follow. */
  #isAtEventEnd = true
  readonly #clocks: Clocks
  #heart: NodeJS.Timeout | null = null
  #staleness: Staleness | null = null

  constructor(init: RelayInit) {
    this.#init = init
    const { connections, exchange } = init
    exchange.engineTime.connecting()
    this.#connection = exchange.attempts > 1 ? connections.open() : connections.take()
    this.#clocks = new Clocks(init.connections.target.timeouts, (which, afterMs) => this.#timeOut(which, afterMs))
    init.inFlight.add(this)
    init.response.once('close', () => this.#callerClosed())
  }

  get exchange(): Exchange {
    return this.#init.exchange
  }

  /** Sends the request. Everything that follows comes through the handler's own methods. */
  send(request: {
    readonly method: string
    readonly path: string
    readonly headers: string[]
    readonly body: Buffer | null
  }): void {
    const { method, path, headers, body } = request
    this.#connection.client.dispatch({ method: method as Dispatcher.HttpMethod, path, headers, body }, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#init.exchange.engineTime.sent()
    this.#staleness = new Staleness(this.#connection)
    if (this.#state === 'done') controller.abort(CALLER_LEFT)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#state !== 'waiting' || status < 200) return
    this.#init.exchange.lease?.answered(status, retryAfterOf(headers) ?? null)
    const refusal = this.#foreign(status, headers) ?? unfitFrom(status, headers, this.#point())
    if (refusal !== null) {
      this.#fail(refusal)
      return
    }
    if (status >= 400) {
      this.#state = 'rejecting'
      this.#rejection = { status, headers, text: new ByteCollector() }
      this.#clocks.awaitPiece()
      return
    }
    const { exchange, response } = this.#init
    this.#init.takeOver()
    this.#state = 'answering'
    this.#isStream = isEventStream(headers)
    const passed = responseHeaders(headers)
    exchange.tap?.head(headers, this.#isStream)
    // What a tap takes out of a stream is not in its length.
    if (this.#isStream && exchange.tap !== null) delete passed['content-length']
    exchange.status = status
    response.writeHead(status, passed)
    if (this.#isStream) this.#beat()
    if (passed['content-length'] === undefined) response.flushHeaders()
    else this.#owedBytes = Number(passed['content-length'])
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state === 'rejecting') this.#gather(chunk)
    if (this.#state !== 'answering') return
    const { exchange, response } = this.#init
    exchange.lease?.progressed()
    const isFirst = exchange.firstByteAtMs === null
    if (isFirst) exchange.firstByteAtMs = this.#init.nowMs()
    exchange.engineTime.progressed()
    const piece = exchange.tap === null ? chunk : exchange.tap.chunk(chunk)
    exchange.bytesOut += piece?.length ?? 0
    this.#owedBytes -= chunk.length
    if (this.#owedBytes === 0) {
      // The whole answer is here: its last piece and its end leave in one write.
      response.end(piece)
      return
    }
    if (isFirst) this.#clocks.awaitPiece()
    else this.#clocks.refresh()
    if (piece === null) return
    if (this.#isStream) {
      this.#isAtEventEnd = endsEvent(piece)
      this.#heart?.refresh()
    }
    if (!response.write(piece)) this.#pause(controller)
  }

  onResponseEnd(): void {
    if (this.#state === 'done') return
    const wasAnswering = this.#state === 'answering'
    this.#finish()
    this.#init.connections.giveBack(this.#connection, this.#init.exchange.id)
    if (this.#rejection !== null) this.#refuse(this.#readRejection(this.#rejection), false)
    const { exchange, response } = this.#init
    const rest = wasAnswering ? (exchange.tap?.end() ?? null) : null
    exchange.bytesOut += rest?.length ?? 0
    if (wasAnswering && !response.writableEnded) response.end(rest)
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#state === 'done') return
    const at = this.#point()
    const error =
      this.#state === 'answering'
        ? new GateError('TOLLGATE_FORWARD_BROKEN', { ...at, cause: cause.message }, { cause })
        : failureFrom(cause, at)
    const isUnbegun = this.#state === 'waiting' && this.#isUnbegun(cause)
    // A connection that had gone stale says nothing of its engine, and what the gate lacks itself does not either. Answers that
    // break off together do: their callers come back at once, and must not be sent there because it has least to do.
    const tells = this.#state === 'answering' || !isUnbegun || !at.wasSent
    if (tells && blamesEngine(error)) this.#init.exchange.lease?.failed(error)
    this.#fail(error, isUnbegun)
  }

  /** Ends the call because the gate must stop, or for an error that is given: with an event of the stream's dialect where one can still follow. */
  shutDown(error = new GateError('TOLLGATE_FORWARD_SHUTDOWN', { ...this.#point() })): void {
    this.#fail(error)
  }

  #foreign(status: number, headers: IncomingHttpHeaders): GateError | null {
    const sign = foreignSign(status, headers, this.#connection)
    return sign === null ? null : new GateError('TOLLGATE_FORWARD_ANSWER', { ...this.#point(), status, sign })
  }

  #gather(chunk: Buffer): void {
    const rejection = this.#rejection
    rejection?.text.add(chunk)
    if (rejection === null || rejection.text.length <= MAX_ERROR_BYTES) return
    // What is too long to be a sentence is not waited for.
    this.#fail(this.#readRejection({ ...rejection, text: new ByteCollector() }))
  }

  #readRejection({ status, headers, text }: Rejection): GateError {
    const { engine } = this.#init.exchange.target
    return rejectionFrom(status, headers, text.take().toString('utf8'), { ...this.#point(), engine })
  }

  /** Says in a silent stream that it is still one. A comment is no event: client libraries pass over it. */
  #beat(): void {
    const { heartbeatMs, response, exchange } = this.#init
    this.#heart = setTimeout(() => {
      if (this.#isAtEventEnd && !this.#isPaused) {
        response.write(HEARTBEAT)
        exchange.bytesOut += HEARTBEAT.length
      }
      this.#heart?.refresh()
    }, heartbeatMs)
  }

  #callerClosed(): void {
    this.#init.inFlight.remove(this)
    if (this.#state === 'done') return
    this.#finish()
    this.#controller?.abort(CALLER_LEFT)
    // Also when it is still connecting: nothing of it is wanted any more.
    this.#init.connections.drop(this.#connection)
  }

  /**
   * Whether no engine can have begun the call: it never was on a connection, or on one that had been used before and was
   * closed with no byte of an answer in the moment of use, as engines close what has been idle for 5 s. What only asks for
   * facts may be asked again in any case.
   */
  #isUnbegun(cause: Error): boolean {
    if (this.#controller === null) return true
    if (this.#init.exchange.call.method === 'GET' && this.#init.exchange.attempts === 1) return true
    return this.#staleness?.explains(cause) === true
  }

  #timeOut(which: RelayTimeout, afterMs: number): void {
    const error = timeoutError(which, afterMs, this.#point())
    const { connections, exchange } = this.#init
    // Of an engine whose name is still being resolved nothing is known.
    if (which === 'first_byte' && connections.isResolved) exchange.lease?.failed(error)
    this.#fail(error)
  }

  /** Another attempt may follow, with a relay of its own. */
  #refuse(error: GateError, isUnbegun: boolean): void {
    this.#init.inFlight.remove(this)
    this.#init.refuse(error, isUnbegun)
  }

  #fail(error: GateError, isUnbegun = false): void {
    if (this.#state === 'done') return
    const wasAnswering = this.#state === 'answering'
    this.#finish()
    this.#controller?.abort(error)
    this.#init.connections.drop(this.#connection)
    if (wasAnswering) this.#break(error)
    else this.#refuse(error, isUnbegun)
  }

  /** The status is out: say it in the stream where that is possible, else cut, so that nothing half looks whole. */
  #break(error: GateError): void {
    const { exchange, response } = this.#init
    exchange.failure = error
    exchange.ending = 'broken'
    this.#init.onBroken(error)
    if (this.#isStream && this.#isAtEventEnd) response.end(this.#init.farewell(exchange, error))
    else response.destroy()
  }

  #finish(): void {
    this.#state = 'done'
    this.#init.exchange.engineTime.ended()
    this.#clocks.stop()
    clearTimeout(this.#heart ?? undefined)
    this.#heart = null
  }

  #pause(controller: Dispatcher.DispatchController): void {
    if (this.#isPaused) return
    this.#isPaused = true
    controller.pause()
    const { exchange } = this.#init
    exchange.engineTime.held(exchange.bytesOut)
    this.#clocks.rest()
    this.#init.response.once('drain', () => {
      this.#isPaused = false
      exchange.engineTime.resumed()
      if (this.#state !== 'answering') return
      this.#clocks.awaitPiece()
      controller.resume()
    })
  }

  #point(): FailurePoint {
    const { pool, origin } = this.#init.connections.target
    return { pool, origin, wasSent: this.#controller !== null }
  }
}
