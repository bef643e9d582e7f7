import { closeSync, existsSync, fdatasync, fdatasyncSync, open as openFile, openSync, write, writeSync } from 'node:fs'
import { copyFile, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { sealedPath } from '../segments/folder.ts'
import { chainOf, createDigest, LINE_TYPES, lineId, segmentFile, withCheck } from '../segments/format.ts'
import type { SegmentScan } from '../segments/scan.ts'
import type { NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'

const openAt = promisify(openFile)
const writeAt = promisify(write)
const sync = promisify(fdatasync)

/** Whose segments are written, and where. */
export interface Book {
  readonly dir: string
  readonly instance: string
  readonly boot: string
  readonly nowMs: NowMs
}

/** Where a segment begins. */
export interface SegmentStart {
  readonly number: number
  /** Of its first line. */
  readonly seq: number
  /** The chain of the segment before; null for the first. */
  readonly prev: string | null
  /** So many opens follow its head. */
  readonly carried: number
}

/** What the next segment goes on from. */
export interface SegmentEnd {
  readonly chain: string
  readonly seq: number
}

/** Lines are handed to the kernel in pieces of about so much. */
const PIECE_BYTES: Bytes = 1024 * 1024

/**
 * Writes one segment. A line has its number when it is put; it is on disk when `commit` has resolved.
 *
 * Each write goes to its own place in the file, so that one that failed, or was half done, can be done again.
 */
export class SegmentWriter {
  readonly path: string
  readonly number: number
  readonly #book: Book
  readonly #fd: number
  #digest = createDigest()
  readonly #first: number
  readonly #prev: string | null
  #seq: number
  #crc = 0
  #lines = 0
  /** What the kernel has taken ends here. */
  #offset: Bytes = 0
  /** Pieces that the kernel has taken, and the disk may have not. */
  readonly #unsynced: { readonly piece: Buffer; readonly at: Bytes }[] = []
  unsyncedBytes: Bytes = 0
  #mustRewrite = false
  /** Lines that were put and are not in `#piece`. */
  #texts: string[] = []
  /** What is made of such lines and has not been begun. */
  readonly #pieces: Buffer[] = []
  /** What is being written. */
  #piece: Buffer | null = null
  #end: SegmentEnd | null = null
  #isRenamed = false

  private constructor(
    book: Book,
    fd: number,
    init: { path: string; number: number; first: number; prev: string | null; seq: number }
  ) {
    this.#book = book
    this.#fd = fd
    this.path = init.path
    this.number = init.number
    this.#first = init.first
    this.#prev = init.prev
    this.#seq = init.seq
  }

  /**
   * Makes the file of a segment, with nothing in it. Its head has been put; the opens that are carried follow.
   * @throws the file system's error when there is such a file, or none can be made
   */
  static create(book: Book, at: SegmentStart): SegmentWriter {
    return SegmentWriter.#begun(book, at, openSync(pathOf(book, at), 'wx', 0o640))
  }

  /** The same for who has other things to do meanwhile. */
  static async begin(book: Book, at: SegmentStart): Promise<SegmentWriter> {
    return SegmentWriter.#begun(book, at, await openAt(pathOf(book, at), 'wx', 0o640))
  }

  static #begun(book: Book, at: SegmentStart, fd: number): SegmentWriter {
    const { instance, boot } = book
    const writer = new SegmentWriter(book, fd, { ...at, path: pathOf(book, at), first: at.seq })
    const data = { instance, boot, segment: at.number, prev: at.prev, carried: at.carried }
    writer.put(LINE_TYPES.head, JSON.stringify(data))
    return writer
  }

  /** Goes on with a segment that was left. @param scan of the whole file, which ends with a good line */
  static resume(
    book: Book,
    file: { readonly path: string; readonly number: number },
    scan: SegmentScan
  ): SegmentWriter {
    const { path, number } = file
    const { firstSeq: first, head } = scan
    const prev = head?.data.prev ?? null
    const writer = new SegmentWriter(book, openSync(path, 'r+'), { path, number, first, prev, seq: scan.lastSeq + 1 })
    writer.#digest = scan.digest()
    writer.#crc = scan.crc
    writer.#lines = scan.lines
    writer.#offset = scan.goodBytes
    writer.bytes = scan.goodBytes
    return writer
  }

  /** Of the next line. */
  get seq(): number {
    return this.#seq
  }

  /** What the file will hold when all that was put is written. */
  bytes: Bytes = 0

  /** Puts a line. @param data JSON @param more members in front, JSON with a comma behind it @param time now unless given */
  put(type: string, data: string, more = '', time = new Date(this.#book.nowMs()).toISOString()): void {
    const id = lineId(this.#book.boot, this.#seq)
    const json = `{${more}"type":"${type}","id":"${id}","time":"${time}","data":${data}}`
    const { text, crc } = withCheck(json, this.#crc)
    this.#crc = crc
    this.#seq++
    this.#lines++
    this.#texts.push(text)
    this.bytes += text.length
  }

  /** So many numbers are left out, for lines that are lost. */
  skip(count: number): void {
    this.#seq += count
  }

  /**
   * Hands everything that was put to the kernel: it outlives the process, and not yet the machine. After an error it goes on
   * where it was. Not to be called while it runs.
   */
  async flush(): Promise<void> {
    // The kernel may have dropped what it could not bring to the disk.
    for (const { piece, at } of this.#mustRewrite ? this.#unsynced : []) await this.#write(piece, at)
    this.#mustRewrite = false
    for (;;) {
      this.#piece ??= this.#nextPiece()
      const piece = this.#piece
      if (piece === null) return
      await this.#write(piece, this.#offset)
      this.#unsynced.push({ piece, at: this.#offset })
      this.unsyncedBytes += piece.length
      this.#offset += piece.length
      this.#piece = null
    }
  }

  /** Brings what the kernel has to the disk. More may be handed to it meanwhile. After an error `flush` comes first. */
  async sync(): Promise<void> {
    if (this.#mustRewrite) throw new Error('what a sync has failed for has to be written again')
    const count = this.#unsynced.length
    if (count === 0) return
    try {
      await sync(this.#fd)
    } catch (err) {
      this.#mustRewrite = true
      throw err
    }
    for (const { piece } of this.#unsynced.splice(0, count)) this.unsyncedBytes -= piece.length
  }

  /** Both. */
  async commit(): Promise<void> {
    await this.flush()
    await this.sync()
  }

  async #write(piece: Buffer, place: Bytes): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      at += (await writeAt(this.#fd, piece, at, piece.length - at, place + at)).bytesWritten
    }
  }

  /** The same for a process that ends, or has not begun. @throws the file system's error */
  commitSync(): void {
    for (;;) {
      this.#piece ??= this.#nextPiece()
      const piece = this.#piece
      if (piece === null) return
      for (let at = 0; at < piece.length; ) at += writeSync(this.#fd, piece, at, piece.length - at, this.#offset + at)
      fdatasyncSync(this.#fd)
      this.#offset += piece.length
      this.#piece = null
    }
  }

  /** Puts the seal: no line may follow. It is written by the next `flush`. @returns what the next segment goes on from */
  end(isLast: boolean): SegmentEnd {
    if (this.#end !== null) return this.#end
    for (let piece = this.#madePiece(); piece !== null; piece = this.#madePiece()) this.#pieces.push(piece)
    const sha256 = this.#digest.copy().digest('hex')
    const chain = chainOf(this.#prev, sha256)
    const data = {
      segment: this.number,
      lines: this.#lines,
      first: this.#first,
      last: this.#seq - 1,
      sha256,
      chain,
      end: isLast
    }
    this.put(LINE_TYPES.seal, JSON.stringify(data))
    this.#end = { chain, seq: this.#seq }
    return this.#end
  }

  get hasEnded(): boolean {
    return this.#end !== null
  }

  /** Brings a segment that has its seal to the disk and gives it its name. After an error it goes on where it was. */
  async shut(): Promise<void> {
    await this.commit()
    if (!this.#isRenamed) await this.#name()
    this.#isRenamed = true
    await syncFolder(dirname(this.path))
    this.close()
  }

  /** Gives it its name. A file that was deleted or renamed meanwhile is written once more, by what the descriptor has. */
  async #name(): Promise<void> {
    const name = sealedPath(this.path)
    try {
      await rename(this.path, name)
    } catch (err) {
      if (!(err instanceof Error && 'code' in err && err.code === 'ENOENT') || existsSync(name)) throw err
      await copyFile(`/proc/self/fd/${this.#fd}`, this.path)
      await syncFolder(this.path)
      await rename(this.path, name)
    }
  }

  /** Both. */
  async seal(isLast: boolean): Promise<SegmentEnd> {
    const end = this.end(isLast)
    await this.shut()
    return end
  }

  #isClosed = false

  /** Leaves the segment as it is. */
  close(): void {
    if (!this.#isClosed) closeSync(this.#fd)
    this.#isClosed = true
  }

  #nextPiece(): Buffer | null {
    return this.#pieces.shift() ?? this.#madePiece()
  }

  #madePiece(): Buffer | null {
    let count = 0
    for (let bytes = 0; count < this.#texts.length && bytes < PIECE_BYTES; count++)
      bytes += this.#texts[count]?.length ?? 0
    if (count === 0) return null
    const piece = Buffer.from(this.#texts.splice(0, count).join(''))
    this.#digest.update(piece)
    return piece
  }
}

function pathOf({ dir, instance, boot }: Book, { number }: { readonly number: number }): string {
  return join(dir, segmentFile({ instance, boot, number, isOpen: true }))
}

/** Names of files are on disk when their folder is; a file is, as well. @throws the file system's error */
export async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
