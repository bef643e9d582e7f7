import { IncomingMessage } from 'node:http'
import type { Bytes } from '../units.ts'
import type { Spend } from './read-turns.ts'

/** A longer chunk is handed on as it is. */
const SMALL_BYTES: Bytes = 1024
const MIN_BLOCK_BYTES: Bytes = 256
/** So many small chunks are told of at once: a parser spends about a millisecond on them. */
const MANY_CHUNKS = 512
/** Fewer are not worth a turn. */
const FEW_CHUNKS = 64

/**
 * A body may be cut into as many chunks as this, however short they are: some 40 ms of a parser.
 *
 * A client that sends each token of a JSON text as a chunk of its own sends one of 6 bytes or so; 64 000 of those pass.
 */
export const FREE_CHUNKS = 16 * 1024
/** Behind those, a chunk has at least this many bytes on average. */
export const MIN_AVERAGE_BYTES: Bytes = 8

/** The event of a request whose body is cut into too many chunks. No more of the body comes after it. */
export const TOO_MANY_CHUNKS = 'too-many-chunks'

/**
 * A request whose body is held in memory that is proportional to its bytes, however it is cut into chunks.
 *
 * Node makes a buffer of its own for every chunk of `transfer-encoding: chunked`, which takes some 450 bytes. Here small
 * chunks are joined before anybody gets them.
 */
class CoalescedRequest extends IncomingMessage {
  #block: Buffer = EMPTY
  #used: Bytes = 0
  #chunks = 0
  #bytes: Bytes = 0
  /** Small chunks since the last time that some were handed on. */
  #joined = 0
  #isScheduled = false
  #isRefused = false

  /** Called with the number of small chunks that have come since it was called last. */
  protected onSmallChunks(_count: number): void {}

  /** Called by the parser for each chunk. @returns false when the socket is not to be read for now */
  override push(chunk: Buffer | null): boolean {
    if (chunk === null) {
      const rest = this.#joined % MANY_CHUNKS
      if (rest >= FEW_CHUNKS) this.onSmallChunks(rest)
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
        this.#isScheduled = false
        if (!this.destroyed) this.#handOn()
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

  #join(chunk: Buffer): void {
    const length = this.#used + chunk.length
    if (length > this.#block.length) {
      const block = Buffer.allocUnsafeSlow(Math.max(MIN_BLOCK_BYTES, length, this.#block.length * 2))
      this.#block.copy(block, 0, 0, this.#used)
      this.#block = block
    }
    this.#block.set(chunk, this.#used)
    this.#used = length
    if (++this.#joined % MANY_CHUNKS === 0) this.onSmallChunks(MANY_CHUNKS)
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

/** Makes the class of the requests of one server, for its option `IncomingMessage`. @param spend counts small chunks */
export function coalescedRequests(spend: Spend = () => {}): typeof IncomingMessage {
  return class extends CoalescedRequest {
    protected override onSmallChunks(count: number): void {
      spend(this.socket, count)
    }
  }
}
