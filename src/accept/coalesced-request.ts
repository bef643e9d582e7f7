import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/** A longer chunk is handed on as it is. */
const SMALL_BYTES: Bytes = 1024
const MIN_BLOCK_BYTES: Bytes = 256
/** More small chunks in one read of the socket are expensive: a parser spends about 2 µs on each. */
const MANY_CHUNKS = 512
/** Such reads of a server take about a third of the time of the process, however many connections cause them. */
const CHUNKS_PER_MS = 256

/** A body may be cut into as many chunks as this, however short they are. */
export const FREE_CHUNKS = 128 * 1024
/** Behind those, a chunk has at least this many bytes on average. */
export const MIN_AVERAGE_BYTES: Bytes = 8

/** The event of a request whose body is cut into too many chunks. No more of the body comes after it. */
export const TOO_MANY_CHUNKS = 'too-many-chunks'

/**
 * A request whose body is held in memory that is proportional to its bytes, however it is cut into chunks.
 *
 * Node makes a buffer of its own for every chunk of `transfer-encoding: chunked`, which takes some 450 bytes. Here small
 * chunks are joined before anybody gets them. A connection that sends many small chunks is read again only after the others
 * had their turn.
 */
class CoalescedRequest extends IncomingMessage {
  readonly #turns: Turns
  #block: Buffer = EMPTY
  #used: Bytes = 0
  #chunks = 0
  #bytes: Bytes = 0
  /** Small chunks since the last time that some were handed on. */
  #joined = 0
  #isScheduled = false
  #isRefused = false

  constructor(socket: Socket, turns: Turns) {
    super(socket)
    this.#turns = turns
  }

  /** Called by the parser for each chunk. @returns false when the socket is not to be read for now */
  override push(chunk: Buffer | null): boolean {
    if (chunk === null) {
      this.#handOn()
      return super.push(null)
    }
    if (this.#isRefused) return false
    this.#chunks++
    this.#bytes += chunk.length
    if (this.#chunks > FREE_CHUNKS + this.#bytes / MIN_AVERAGE_BYTES) {
      this.#isRefused = true
      this.#block = EMPTY
      this.#used = 0
      this.emit(TOO_MANY_CHUNKS)
      return false
    }
    // Most bodies come in one chunk.
    if (this.#chunks === 1 || (this.#used === 0 && chunk.length >= SMALL_BYTES)) return super.push(chunk)
    this.#join(chunk)
    if (!this.#isScheduled && (this.readableFlowing === true || this.readableLength === 0)) {
      this.#isScheduled = true
      setImmediate(() => {
        if (this.#joined < MANY_CHUNKS) this.handOn()
        else this.#turns.wait(this, this.#joined)
      })
    }
    // What comes in one read of the socket is joined; the next read comes after it was handed on.
    return false
  }

  /** Whoever takes from it gets what was joined, too. */
  override read(size?: number): unknown {
    if (!this.#isScheduled) this.#handOn()
    return super.read(size)
  }

  /** Hands on what was joined. The stream then goes on reading by itself. */
  handOn(): void {
    this.#isScheduled = false
    if (!this.destroyed) this.#handOn()
  }

  #join(chunk: Buffer): void {
    const length = this.#used + chunk.length
    if (length > this.#block.length) {
      const block = Buffer.allocUnsafeSlow(Math.max(MIN_BLOCK_BYTES, length, this.#block.length * 2))
      this.#block.copy(block, 0, 0, this.#used)
      this.#block = block
    }
    this.#block.set(chunk, this.#used)
    this.#used = length
    this.#joined++
  }

  #handOn(): void {
    this.#joined = 0
    if (this.#used === 0) return
    const joined = this.#block.subarray(0, this.#used)
    this.#block = EMPTY
    this.#used = 0
    super.push(joined)
  }
}

const EMPTY = Buffer.alloc(0)

/** Requests of a server that have sent many small chunks, in the order of their turns. */
class Turns {
  readonly #waiting = new Map<CoalescedRequest, number>()
  #isRunning = false

  wait(request: CoalescedRequest, chunks: number): void {
    this.#waiting.set(request, chunks)
    if (this.#isRunning) return
    this.#isRunning = true
    this.#next()
  }

  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#isRunning = false
      return
    }
    const [request, chunks] = first
    this.#waiting.delete(request)
    request.handOn()
    const restMs: Ms = Math.ceil(chunks / CHUNKS_PER_MS)
    setTimeout(() => this.#next(), restMs)
  }
}

/** Makes the class of the requests of one server, for its option `IncomingMessage`. They have their turns among themselves. */
export function coalescedRequests(): typeof IncomingMessage {
  const turns = new Turns()
  return class extends CoalescedRequest {
    constructor(socket: Socket) {
      super(socket, turns)
    }
  }
}
