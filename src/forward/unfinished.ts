import type { Bytes } from '../units.ts'

/** What a piece that waits for the rest of its message takes of memory besides its bytes: the objects that hold it. */
const PIECE_BYTES: Bytes = 512

/**
 * Follows the frames of a WebSocket (RFC 6455 section 5.2) as they come, to know what is held of a message that is not whole
 * yet. The library does not tell. Reads headers alone, and takes whatever comes: what is no frame ends the connection there.
 */
export class UnfinishedMessage {
  readonly #head = Buffer.alloc(14)
  #headLength = 0
  /** Bytes that the frame which has begun still has to come. */
  #left = 0
  #isControl = false
  #isLast = true
  #isOpen = false
  #payloadBytes: Bytes = 0
  #pieces = 0

  /** The memory that the message takes so far; 0 between messages. */
  get heldBytes(): Bytes {
    return this.#isOpen ? this.#payloadBytes + this.#pieces * PIECE_BYTES : 0
  }

  /** A piece of the stream, as it was read from the socket. */
  chunk(piece: Buffer): void {
    if (this.#isOpen) this.#pieces++
    for (let at = 0; at < piece.length; ) {
      if (this.#left === 0) {
        this.#head[this.#headLength++] = piece[at++] ?? 0
        if (this.#headLength === headSize(this.#head, this.#headLength)) this.#begin()
        continue
      }
      const bytes = Math.min(this.#left, piece.length - at)
      at += bytes
      this.#left -= bytes
      if (!this.#isControl) this.#payloadBytes += bytes
      if (this.#left === 0) this.#end()
    }
  }

  #begin(): void {
    const head = this.#head
    this.#headLength = 0
    this.#isLast = ((head[0] ?? 0) & 0x80) !== 0
    this.#isControl = ((head[0] ?? 0) & 0x08) !== 0
    if (!this.#isControl) {
      this.#isOpen = true
      this.#pieces++
    }
    const short = (head[1] ?? 0) & 0x7f
    this.#left = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2))
    if (this.#left === 0) this.#end()
  }

  #end(): void {
    // Control frames may stand between the frames of a message.
    if (this.#isControl || !this.#isLast) return
    this.#isOpen = false
    this.#payloadBytes = 0
    this.#pieces = 0
  }
}

/** How long a header is, by what has come of it. */
function headSize(head: Buffer, length: number): number {
  if (length < 2) return 2
  const second = head[1] ?? 0
  const short = second & 0x7f
  return 2 + (short < 126 ? 0 : short === 126 ? 2 : 8) + ((second & 0x80) === 0 ? 0 : 4)
}
