import { type FileHandle, open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type Boot, type SegmentFile, sealedPath } from '../segments/folder.ts'
import { seqOf, type UsageEvent } from '../segments/format.ts'
import { SegmentScan } from '../segments/scan.ts'
import type { Bytes } from '../units.ts'
import type { Place } from './cursor.ts'

/** Something of a ledger that cannot be shipped. */
export interface Trouble {
  readonly boot: string
  readonly file: string | null
  readonly message: string
}

const PIECE_BYTES: Bytes = 256 * 1024

/**
 * Follows the usages of one boot: whole lines whose check fits, in order, once, and only when the disk has them. A line that
 * a machine could still lose is none: after a crash its number might be another call's.
 */
export class BootTail {
  readonly #boot: string
  readonly #tell: (trouble: Trouble) => void
  /** Of the segment that is read. */
  #number: number
  #scan: SegmentScan | null = null
  /** What has been given to the scan ends here. */
  #at: Bytes = 0
  /** Of the last usage that was given. Not of other lines: those are not waited for to be on the disk. */
  #seq: number
  /** How large the segment was when it did not end with a good line. */
  #badSize: Bytes | null = null
  #isDone: boolean
  /** The disk has the name of the segment. */
  #isNamed = false
  #told = 0

  constructor(boot: string, from: Place | null, tell: (trouble: Trouble) => void) {
    this.#boot = boot
    this.#tell = tell
    this.#number = from?.segment ?? -1
    this.#seq = from?.seq ?? -1
    this.#isDone = from?.isDone ?? false
  }

  /** Behind everything that `read` has given. */
  get place(): Place {
    return { segment: this.#number, seq: this.#seq, isDone: this.#isDone }
  }

  /**
   * Gives some of the usages that have come; none when there are no more for now.
   * @param boot as it stands in the folder now @throws the file system's error
   */
  async read(boot: Boot): Promise<readonly UsageEvent[]> {
    while (!this.#isDone) {
      const segment = this.#find(boot)
      if (segment === null) break
      const { events, isOver } = await this.#piece(segment)
      const hasMoved = isOver && this.#leave(boot, segment)
      if (events.length > 0) return events
      if (!hasMoved) break
    }
    return []
  }

  /** The segment to read; null while there is none. */
  #find({ segments }: Boot): SegmentFile | null {
    const here = segments.find(({ number }) => number === this.#number)
    if (here !== undefined) return here
    const next = segments.find(({ number }) => number > this.#number)
    if (next === undefined) return null
    if (this.#number >= 0) this.#tellGone(this.#number, next.number - 1)
    this.#enter(next.number)
    return next
  }

  #enter(number: number): void {
    this.#number = number
    this.#told = 0
    this.#isNamed = false
    this.#reset()
  }

  /** From its beginning. */
  #reset(): void {
    this.#scan = null
    this.#at = 0
    this.#badSize = null
  }

  /** Reads on until there is something to give, and brings to the disk what was read. */
  async #piece(segment: SegmentFile): Promise<{ events: UsageEvent[]; isOver: boolean }> {
    const { handle, isOpen } = await openSegment(segment)
    try {
      const { size } = await handle.stat()
      if (this.#badSize !== null) {
        if (isOpen && size === this.#badSize) return { events: [], isOver: false }
        // A start cuts off what does not fit and goes on from there: what was read of that is not in the file any more.
        this.#reset()
      }
      this.#scan ??= new SegmentScan(this.#boot)
      const { events, isAll } = await this.#feed(handle, this.#scan)
      const isOver = isAll && (this.#scan.seal !== null || !isOpen)
      if (isOpen && (events.length > 0 || isOver)) await this.#keep(handle, segment)
      if (isAll) this.#judgeEnd(this.#scan, segment, { size, isOver })
      this.#seq = events.length === 0 ? this.#seq : seqOf(events.at(-1)?.id, this.#boot)
      return { events, isOver }
    } catch (err) {
      this.#reset()
      throw err
    } finally {
      await handle.close()
    }
  }

  /** The next segment may be written before the disk has this one, or even the name of it. */
  async #keep(handle: FileHandle, { path }: SegmentFile): Promise<void> {
    await handle.datasync()
    if (this.#isNamed) return
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
    this.#isNamed = true
  }

  async #feed(handle: FileHandle, scan: SegmentScan): Promise<{ events: UsageEvent[]; isAll: boolean }> {
    for (;;) {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES, this.#at)
      const isAll = bytesRead < PIECE_BYTES
      const lastEnd = piece.subarray(0, bytesRead).lastIndexOf(0x0a) + 1
      // The last line may be half written. A whole piece without an end is no line.
      const whole = lastEnd === 0 && !isAll ? PIECE_BYTES : lastEnd
      const lines = whole === 0 ? [] : scan.feed(piece.subarray(0, whole))
      this.#at += whole
      const events = lines
        .filter(line => line.type === 'tollgate.usage.v1')
        .filter(({ id }) => seqOf(id, this.#boot) > this.#seq)
      if (events.length > 0 || isAll) return { events, isAll }
    }
  }

  #judgeEnd(scan: SegmentScan, segment: SegmentFile, { size, isOver }: { size: Bytes; isOver: boolean }): void {
    const isWell = scan.goodBytes === this.#at
    if (isOver && size > this.#at) {
      scan.damages.push({
        at: this.#at,
        bytes: size - this.#at,
        line: scan.lines + scan.damages.length + 1,
        kind: 'torn'
      })
    }
    if (isWell || isOver) this.#tellDamages(scan, segment)
    else this.#badSize = size
  }

  /** @returns whether there is a segment behind it */
  #leave({ segments }: Boot, { number }: SegmentFile): boolean {
    this.#isDone = this.#scan?.seal?.data.end === true
    const next = segments.find(other => other.number > number)
    // Where it has no seal, nobody knows whether more will come.
    if (this.#isDone || next === undefined) return false
    if (next.number > number + 1) this.#tellGone(number + 1, next.number - 1)
    this.#enter(next.number)
    return true
  }

  #tellGone(from: number, to: number): void {
    const what = from === to ? `segment ${from} is` : `segments ${from} to ${to} are`
    const message = `${what} gone; what was not shipped of that cannot be`
    this.#tell({ boot: this.#boot, file: null, message })
  }

  #tellDamages({ damages }: SegmentScan, { path }: SegmentFile): void {
    for (const { at, bytes } of damages.slice(this.#told)) {
      const file = basename(sealedPath(path))
      const message = `${bytes} bytes from byte ${at} are not what was written, and are not shipped`
      this.#tell({ boot: this.#boot, file, message })
    }
    this.#told = damages.length
  }
}

/** What was open when the folder was listed may have been sealed since. */
async function openSegment({ path, isOpen }: SegmentFile): Promise<{ handle: FileHandle; isOpen: boolean }> {
  try {
    return { handle: await open(path, 'r'), isOpen }
  } catch (err) {
    if (!(isOpen && err instanceof Error && 'code' in err && err.code === 'ENOENT')) throw err
    return { handle: await open(sealedPath(path), 'r'), isOpen: false }
  }
}
