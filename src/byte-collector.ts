import type { Bytes } from './units.ts'

/** A shorter piece is copied: an object of its own costs the memory of some hundred bytes. */
const SMALL_BYTES: Bytes = 4 * 1024
const MIN_BLOCK_BYTES: Bytes = 1024
const MAX_BLOCK_BYTES: Bytes = 64 * 1024

/**
 * Gathers the pieces of one text. Holds at most three times their bytes and a few KiB, whatever the pieces are: small ones are
 * copied into blocks that grow with the text, and so are those that are the small part of a larger buffer.
 */
export class ByteCollector {
  readonly #pieces: Buffer[] = []
  /** What is copied goes in here, from `#start` on up to `#end`, and into a larger one when it is full. */
  #block: Buffer = EMPTY
  #start = 0
  #end = 0
  #heldBytes: Bytes = 0
  #length: Bytes = 0

  /** What all pieces are together. */
  get length(): Bytes {
    return this.#length
  }

  /** The memory that is held, with what of the blocks is not in use yet. */
  get heldBytes(): Bytes {
    return this.#heldBytes
  }

  /** Takes a piece. Nobody may change its bytes afterwards. */
  add(piece: Uint8Array): void {
    const isFirst = this.#length === 0
    this.#length += piece.length
    // Most texts come in one piece.
    if (isOwn(piece) && (isFirst || piece.length >= SMALL_BYTES)) {
      this.#seal()
      this.#keep(piece)
      return
    }
    for (let at = 0; at < piece.length; ) {
      if (this.#end === this.#block.length) this.#grow()
      const next = Math.min(piece.length, at + this.#block.length - this.#end)
      this.#block.set(at === 0 && next === piece.length ? piece : piece.subarray(at, next), this.#end)
      this.#end += next - at
      at = next
    }
  }

  /** The whole text. Nothing is added after it. */
  take(): Buffer {
    this.#seal()
    return this.#pieces.length === 1 && this.#pieces[0] !== undefined ? this.#pieces[0] : Buffer.concat(this.#pieces)
  }

  #keep(piece: Uint8Array): void {
    this.#heldBytes += piece.buffer.byteLength
    this.#pieces.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length))
  }

  /** What was copied keeps its place among the pieces. The rest of the block stays in use. */
  #seal(): void {
    if (this.#start === this.#end) return
    this.#pieces.push(this.#block.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #grow(): void {
    this.#seal()
    // Not from the pool of Node: a slice of it would hold all of it.
    this.#block = Buffer.allocUnsafeSlow(Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, this.#length)))
    this.#start = 0
    this.#end = 0
    this.#heldBytes += this.#block.length
  }
}

const EMPTY = Buffer.alloc(0)

/** Whether at least half of the memory that a piece keeps alive is its own. */
function isOwn({ length, buffer }: Uint8Array): boolean {
  return buffer.byteLength <= 2 * length
}
