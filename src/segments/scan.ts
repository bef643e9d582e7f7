import type { Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Bytes } from '../units.ts'
import { sealedPath } from './folder.ts'
import {
  chainOf,
  createDigest,
  type Head,
  type LedgerLine,
  MAX_LINE_BYTES,
  readLine,
  type Seal,
  seqOf
} from './format.ts'

/** Bytes that are no line, or not the line that was written. */
export interface Damage {
  /** From the beginning of the file. */
  readonly at: Bytes
  readonly bytes: Bytes
  /** `torn`: the last line has no end. `changed`: a line that its check does not fit. `behind`: more, after the seal. */
  readonly kind: 'torn' | 'changed' | 'behind'
}

/** Numbers of lines that are not there. */
export interface Gap {
  /** The first that is missing, and the last. */
  readonly from: number
  readonly to: number
}

/**
 * Reads a segment that is handed to it in pieces: its good lines in order, and everything that is wrong with it. Holds one
 * line and one piece.
 *
 * A line that its check does not fit is left out and told of; the lines behind it are read, because each says what the next
 * is checked by.
 */
export class SegmentScan {
  readonly damages: Damage[] = []
  readonly gaps: Gap[] = []
  /** Of the last good line; -1 before there is one. */
  lastSeq = -1
  firstSeq = -1
  /** Good lines, the head and the seal included. */
  lines = 0
  /** Where the last good line ends, and what the next one is checked by. */
  goodBytes: Bytes = 0
  crc = 0
  head: Head | null = null
  seal: Seal | null = null
  /** Why the seal does not fit what it seals; null where it does, and without one. */
  sealFault: string | null = null
  readonly #boot: string
  readonly #digest = createDigest()
  #before: readonly number[] = [0]
  #rest: Buffer = Buffer.alloc(0)
  #at: Bytes = 0
  /** In the middle of a line that is too long: where it began. */
  #tooLongAt: Bytes | null = null

  #isFollowing: boolean

  /**
   * @param boot whose lines they are
   * @param after the number of its last line in the segment before, -1 where there is none; null where that is not known
   */
  constructor(boot: string, after: number | null = null) {
    this.#boot = boot
    this.lastSeq = after ?? -1
    this.#isFollowing = after !== null
  }

  /** @returns the lines whose end has come. The piece belongs to the scan from now on. */
  feed(piece: Buffer): LedgerLine[] {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    const good: LedgerLine[] = []
    let from = 0
    for (let lf = bytes.indexOf(0x0a); lf !== -1; lf = bytes.indexOf(0x0a, from)) {
      const line = this.#line(bytes.subarray(from, lf + 1))
      if (line !== null) good.push(line)
      from = lf + 1
    }
    this.#rest = Buffer.from(bytes.subarray(from))
    if (this.#rest.length > MAX_LINE_BYTES) {
      this.#tooLongAt ??= this.#at
      this.#digest.update(this.#rest)
      this.#at += this.#rest.length
      // Its end may say what the next line is checked by.
      this.#rest = Buffer.alloc(0)
    }
    return good
  }

  /** There is no more. */
  end(): void {
    const from = this.#tooLongAt ?? this.#at
    const bytes = this.#at + this.#rest.length - from
    if (bytes > 0) this.damages.push({ at: from, bytes, kind: this.seal === null ? 'torn' : 'behind' })
  }

  /** Of all bytes before the seal, or of all whole lines without one. */
  sha256(): string {
    return this.digest().digest('hex')
  }

  /** The same, to go on with. */
  digest(): Hash {
    return this.#digest.copy()
  }

  #line(bytes: Buffer): LedgerLine | null {
    const at = this.#tooLongAt ?? this.#at
    const isTooLong = this.#tooLongAt !== null
    this.#tooLongAt = null
    this.#at += bytes.length
    const damage = (kind: Damage['kind']) => {
      this.damages.push({ at, bytes: this.#at - at, kind })
      return null
    }
    if (this.seal !== null) return damage('behind')
    const { computed, stated, line } = readLine(bytes.subarray(0, -1), this.#before)
    const isGood = !isTooLong && stated !== null && line !== null && computed.includes(stated)
    const seq = isGood ? seqOf(line.id, this.#boot) : -1
    if (!isGood || seq <= this.lastSeq) {
      this.#digest.update(bytes)
      // Whichever of its bytes were changed: those of the check itself, or others.
      this.#before = stated === null ? computed : [...computed, stated]
      return damage('changed')
    }
    this.#before = [stated]
    this.crc = stated
    this.#note(line, seq)
    if (line.type === 'tollgate.seal.v1') this.#seal(line)
    else this.#digest.update(bytes)
    this.goodBytes = this.#at
    return line
  }

  #note(line: LedgerLine, seq: number): void {
    if (this.#isFollowing && seq > this.lastSeq + 1) this.gaps.push({ from: this.lastSeq + 1, to: seq - 1 })
    this.#isFollowing = true
    if (this.firstSeq === -1) this.firstSeq = seq
    this.lastSeq = seq
    this.lines++
    if (line.type === 'tollgate.segment.v1') this.head ??= line
  }

  #seal(seal: Seal): void {
    this.seal = seal
    const { lines, first, last, sha256, chain } = seal.data
    const own = this.sha256()
    if (sha256 !== own) this.sealFault = 'its bytes are not those that were sealed'
    else if (lines !== this.lines - 1) this.sealFault = `${lines} lines were sealed, ${this.lines - 1} are there`
    else if (first !== this.firstSeq || last >= this.lastSeq)
      this.sealFault = 'its numbers are not those that were sealed'
    else if (chain !== chainOf(this.head?.data.prev ?? null, own))
      this.sealFault = 'its chain does not follow from its head'
  }
}

const PIECE_BYTES: Bytes = 256 * 1024

/**
 * Reads a segment's file piece by piece; the scan tells of what is wrong when it has come to its end.
 * @throws the file system's error
 */
export function* linesOf(file: string, scan: SegmentScan): Generator<LedgerLine, void> {
  const fd = withPath(file, path => openSync(path, 'r'))
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const length = readSync(fd, piece, 0, PIECE_BYTES, null)
      if (length === 0) break
      yield* scan.feed(piece.subarray(0, length))
    }
    scan.end()
  } finally {
    closeSync(fd)
  }
}

/** The same for who has other things to do meanwhile: a few lines at a time. @throws the file system's error */
export async function* readLines(file: string, scan: SegmentScan): AsyncGenerator<LedgerLine[], void> {
  const handle = await open(file, 'r').catch(async err => {
    if (isGone(err)) return await open(sealedPath(file), 'r')
    throw err
  })
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES)
      if (bytesRead === 0) break
      yield scan.feed(piece.subarray(0, bytesRead))
    }
    scan.end()
  } finally {
    await handle.close()
  }
}

/** Runs a function with the path of a segment. One that was open when its folder was listed may have been sealed since. */
function withPath<T>(path: string, use: (path: string) => T): T {
  try {
    return use(path)
  } catch (err) {
    if (!isGone(err)) throw err
    return use(sealedPath(path))
  }
}

function isGone(err: unknown): boolean {
  return err instanceof Error && 'code' in err && err.code === 'ENOENT'
}
