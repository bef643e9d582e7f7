import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Bag, Placed } from './bag.ts'
import type { Connection, Connections } from './connections.ts'
import { type FailurePoint, failureFrom, type RelayTimeout, timeoutError } from './failures.ts'
import { isEventStream, responseHeaders } from './headers.ts'
import { MAX_ERROR_BYTES, rejectionFrom } from './rejection.ts'

/** What a relay needs of its surroundings. */
export interface RelayInit {
  readonly exchange: Exchange
  readonly connections: Connections
  /** Where the relay stays until the caller's response has closed. */
  readonly inFlight: Bag<Placed & { shutDown(): void }>
  readonly response: ServerResponse
  readonly heartbeatMs: Ms
  readonly nowMs: NowMs
  /** Told once, when nothing has been written yet: the refusal leaves by its own door. */
  readonly refuse: (error: GateError) => void
  /** Told once, right before the first byte is written to the raw response. */
  readonly takeOver: () => void
  /** Told once, when the engine failed after the first byte. */
  readonly onBroken: (error: GateError) => void
  /** The event that tells a caller that its stream cannot be finished. */
  readonly farewell: (exchange: Exchange, error: GateError) => string
}

const HEARTBEAT = ': keep-alive\n\n'

interface Rejection {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly pieces: Buffer[]
  bytes: number
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
  #clock: NodeJS.Timeout | null
  #heart: NodeJS.Timeout | null = null
  readonly #totalClock: NodeJS.Timeout

  constructor(init: RelayInit) {
    this.#init = init
    this.#connection = init.connections.take()
    const { timeouts } = init.connections.target
    this.#clock = setTimeout(() => this.#timeOut('first_byte', timeouts.firstByteMs), timeouts.firstByteMs)
    this.#totalClock = setTimeout(() => this.#timeOut('total', timeouts.totalMs), timeouts.totalMs)
    init.inFlight.add(this)
    init.response.once('close', () => {
      init.inFlight.remove(this)
      this.#callerClosed()
    })
  }

  /** Sends the request. Everything that follows comes through the handler's own methods. */
  send(request: {
    readonly method: string
    readonly path: string
    readonly headers: string[]
    readonly body: Buffer | null
  }): void {
    this.#connection.client.dispatch(
      {
        method: request.method as Dispatcher.HttpMethod,
        path: request.path,
        headers: request.headers,
        body: request.body
      },
      this
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#state === 'done') controller.abort(CALLER_LEFT)
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (this.#state !== 'waiting' || status < 200) return
    const refusal = this.#judge(status, headers)
    if (refusal !== null) {
      this.#fail(refusal)
      return
    }
    if (status >= 400) {
      this.#state = 'rejecting'
      this.#rejection = { status, headers, pieces: [], bytes: 0 }
      this.#restartClock()
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
    const isFirst = exchange.firstByteAtMs === null
    if (isFirst) exchange.firstByteAtMs = this.#init.nowMs()
    const piece = exchange.tap === null ? chunk : exchange.tap.chunk(chunk)
    exchange.bytesOut += piece?.length ?? 0
    this.#owedBytes -= chunk.length
    if (this.#owedBytes === 0) {
      // The whole answer is here: its last piece and its end leave in one write.
      response.end(piece)
      return
    }
    if (isFirst) this.#restartClock()
    else this.#clock?.refresh()
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
    this.#init.connections.giveBack(this.#connection)
    if (this.#rejection !== null) this.#init.refuse(this.#readRejection(this.#rejection))
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
    this.#fail(error)
  }

  /** Ends the call because the gate must stop: with an event of the stream's dialect where one can still follow. */
  shutDown(): void {
    this.#fail(new GateError('TOLLGATE_FORWARD_SHUTDOWN', { ...this.#point() }))
  }

  #judge(status: number, headers: IncomingHttpHeaders): GateError | null {
    const detail = { ...this.#point(), status }
    if ((status >= 300 && status < 400) || status > 599) return new GateError('TOLLGATE_FORWARD_ANSWER', detail)
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      return new GateError('TOLLGATE_FORWARD_ANSWER', { ...detail, encoding: String(encoding).slice(0, 64) })
    }
    return null
  }

  #gather(chunk: Buffer): void {
    const rejection = this.#rejection
    if (rejection === null) return
    rejection.bytes += chunk.length
    rejection.pieces.push(chunk)
    // What is too long to be a sentence is not waited for.
    if (rejection.bytes > MAX_ERROR_BYTES) this.#fail(this.#readRejection({ ...rejection, pieces: [] }))
  }

  #readRejection({ status, headers, pieces }: Rejection): GateError {
    const { engine } = this.#init.exchange.target
    return rejectionFrom(status, headers, Buffer.concat(pieces).toString('utf8'), { ...this.#point(), engine })
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
    if (this.#state === 'done') return
    this.#finish()
    this.#controller?.abort(CALLER_LEFT)
    // Also when it is still connecting: nothing of it is wanted any more.
    this.#init.connections.drop(this.#connection)
  }

  #timeOut(which: RelayTimeout, afterMs: number): void {
    this.#fail(timeoutError(which, afterMs, this.#point()))
  }

  #fail(error: GateError): void {
    if (this.#state === 'done') return
    const wasAnswering = this.#state === 'answering'
    this.#finish()
    this.#controller?.abort(error)
    this.#init.connections.drop(this.#connection)
    if (wasAnswering) this.#break(error)
    else this.#init.refuse(error)
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
    if (this.#clock !== null) clearTimeout(this.#clock)
    this.#clock = null
    if (this.#heart !== null) clearTimeout(this.#heart)
    this.#heart = null
    clearTimeout(this.#totalClock)
  }

  #pause(controller: Dispatcher.DispatchController): void {
    if (this.#isPaused) return
    this.#isPaused = true
    controller.pause()
    // A slow reader is no silent engine.
    if (this.#clock !== null) clearTimeout(this.#clock)
    this.#clock = null
    this.#init.response.once('drain', () => {
      this.#isPaused = false
      if (this.#state !== 'answering') return
      this.#restartClock()
      controller.resume()
    })
  }

  #restartClock(): void {
    if (this.#clock !== null) clearTimeout(this.#clock)
    const { idleMs } = this.#init.connections.target.timeouts
    this.#clock = setTimeout(() => this.#timeOut('idle', idleMs), idleMs)
  }

  #point(): FailurePoint {
    const { pool, origin } = this.#init.connections.target
    return { pool, origin, wasSent: this.#controller !== null }
  }
}

const LF = 0x0a
const CR = 0x0d

/** True when a piece of an event stream ends with an empty line: `\n\n` or `\r\n\r\n`. */
export function endsEvent(chunk: Uint8Array): boolean {
  const end = chunk.length
  if (end < 2 || chunk[end - 1] !== LF) return false
  return chunk[end - 2] === LF || (end >= 4 && chunk[end - 2] === CR && chunk[end - 3] === LF)
}
