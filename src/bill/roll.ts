import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { listBoots, type SegmentFile, sealedPath } from '../segments/folder.ts'
import { BEGINNING, type Damage, SegmentScan } from '../segments/scan.ts'
import type { Bytes } from '../units.ts'
import { Batch, type Entry, QUARTER_MS, type Quarter, readUsage } from './records.ts'
import type { Cursor, RolledDamage, Rollup } from './rollup.ts'

/** How far a rolling is. */
export interface Progress {
  /** Of what was there when it began. */
  readonly doneBytes: Bytes
  readonly allBytes: Bytes
  /** Records that were added. */
  readonly records: number
}

const PIECE_BYTES: Bytes = 256 * 1024
/** So much is added in one transaction, and read into memory for it. */
const BATCH_BYTES: Bytes = 4 * 1024 * 1024

/**
 * Adds to the sums whatever is new in a folder of segments. Gates may go on writing, and others rolling: what somebody else
 * has added meanwhile is left to him. After each batch it can be left, or killed: the next rolling goes on there.
 *
 * @throws the file system's error, the error of SQLite
 */
export function* roll(dir: string, rollup: Rollup, batchBytes = BATCH_BYTES): Generator<Progress, Progress> {
  const segments = listBoots(dir).flatMap(boot => boot.segments)
  const begun = segments.flatMap(file => {
    const cursor = rollup.cursor(file) ?? beginningOf(file)
    return cursor.isDone ? [] : [{ file, cursor }]
  })
  const allBytes = begun.reduce((sum, { file, cursor }) => sum + Math.max(0, sizeOf(file) - cursor.at), 0)
  let progress: Progress = { doneBytes: 0, allBytes, records: 0 }
  for (const { file, cursor } of begun) {
    for (const { bytes, records } of rollSegment(file, cursor, rollup, batchBytes)) {
      progress = { allBytes, doneBytes: progress.doneBytes + bytes, records: progress.records + records }
      yield progress
    }
  }
  return progress
}

/** Rolls up all that is there. */
export function rollAll(dir: string, rollup: Rollup, onProgress: (progress: Progress) => void = () => {}): Progress {
  const rolling = roll(dir, rollup)
  for (;;) {
    const { value, done } = rolling.next()
    if (done === true) return value
    onProgress(value)
  }
}

const beginningOf = ({ instance, boot, number }: SegmentFile): Cursor => ({
  instance,
  boot,
  number,
  ...BEGINNING,
  seq: null,
  isDone: false
})

function* rollSegment(
  file: SegmentFile,
  known: Cursor,
  rollup: Rollup,
  batchBytes: Bytes
): Generator<{ bytes: Bytes; records: number }, void> {
  const opened = openSegment(file)
  if (opened === null) return
  const { fd, isOpen } = opened
  try {
    let cursor = known
    if (cursor.at > 0 && !isWhatWasRead(fd, cursor)) {
      rollup.forget(cursor)
      cursor = beginningOf(file)
    }
    const reading = new Reading(fd, cursor)
    for (;;) {
      const { batch, records, damages, atEnd } = reading.next(batchBytes)
      const { scan } = reading
      const isDone = atEnd && (scan.seal !== null || !isOpen)
      const to: Cursor = { ...cursor, ...scan.place, seq: scan.lastSeq < 0 ? null : scan.lastSeq, isDone }
      // What stands behind the last good line of an open segment may be a line in the making, or be cut off.
      const final = damages.filter(({ line }) => isDone || line <= to.line)
      if (to.at === cursor.at && !isDone) {
        if (atEnd) return
        continue
      }
      const unproven = final.flatMap(({ entry }) => (entry === undefined ? [] : [entry]))
      for (const entry of unproven) batch.add(entry)
      if (!rollup.add(cursor, to, batch, final)) return
      yield { bytes: to.at - cursor.at, records: records + unproven.length }
      cursor = to
      if (atEnd) return
    }
  } finally {
    closeSync(fd)
  }
}

/** Reads a segment from its cursor on, a batch at a time. */
class Reading {
  readonly scan: SegmentScan
  readonly #fd: number
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES)
  #at: Bytes
  #quarter: Quarter | null = null
  /** Behind the last good line: the next batch may go beyond them. */
  #pending: Told[] = []

  constructor(fd: number, { boot, at, crc, line, seq }: Cursor) {
    this.#fd = fd
    this.#at = at
    this.scan = new SegmentScan(boot, seq, { at, crc, line })
  }

  next(batchBytes: Bytes): Read {
    const batch = new Batch()
    const damages = this.#pending
    let records = 0
    let atEnd = false
    for (const end = this.#at + batchBytes; this.#at < end && !atEnd; ) {
      const piece = this.#piece.subarray(0, batchBytes)
      const length = readSync(this.#fd, piece, 0, piece.length, this.#at)
      this.#at += length
      atEnd = length === 0
      if (atEnd) this.scan.end()
      else records += this.#take(piece.subarray(0, length), batch, damages)
      for (const damage of this.scan.damages.splice(0)) add(damages, this.#told(damage))
    }
    const { line: last } = this.scan.place
    this.#pending = damages.filter(({ line }) => line > last)
    return { batch, records, damages, atEnd }
  }

  #take(piece: Buffer, batch: Batch, damages: Told[]): number {
    let records = 0
    for (const [index, line] of this.scan.feed(piece).entries()) {
      this.#quarter = quarterOf(line.time) ?? this.#quarter
      if (line.type !== 'tollgate.usage.v1') continue
      const entry = readUsage(line)
      if (entry === null) add(damages, { ...this.#place(this.scan.numbers[index] ?? 0), kind: 'senseless' })
      else batch.add(entry)
      if (entry !== null) records++
    }
    return records
  }

  #told({ line, kind, unproven }: Damage): Told {
    const place = this.#place(line)
    if (unproven?.type !== 'tollgate.usage.v1') return { ...place, kind }
    const entry = readUsage(unproven)
    return entry === null ? { ...place, kind } : { ...place, kind: 'unproven', entry }
  }

  #place(line: number): Pick<Told, 'line' | 'lines' | 'quarter'> {
    return { line, lines: 1, quarter: this.#quarter }
  }
}

/** A damage, and what counts all the same. */
interface Told extends RolledDamage {
  readonly entry?: Entry
}

/** What a batch has brought. */
interface Read {
  readonly batch: Batch
  readonly records: number
  readonly damages: readonly Told[]
  /** There is no more at the moment. */
  readonly atEnd: boolean
}

/** Lines that follow each other are one damage: a file may be nothing else. */
function add(damages: Told[], damage: Told): void {
  const last = damages.at(-1)
  if (
    last !== undefined &&
    last.kind === damage.kind &&
    damage.entry === undefined &&
    last.line + last.lines === damage.line
  )
    damages[damages.length - 1] = { ...last, lines: last.lines + 1 }
  else damages.push(damage)
}

/** `,"crc":"0123abcd"}` and the end of the line. */
const END_BYTES = 19

/** Whether a segment still has at its cursor the line that was read last: its machine may have lost its power since. */
function isWhatWasRead(fd: number, { at, crc }: Cursor): boolean {
  const end = Buffer.alloc(END_BYTES)
  if (fstatSync(fd).size < at || readSync(fd, end, 0, END_BYTES, at - END_BYTES) < END_BYTES) return false
  return end.toString('latin1') === `,"crc":"${crc.toString(16).padStart(8, '0')}"}\n`
}

/** @returns null when it was taken away meanwhile */
function openSegment({ path, isOpen }: SegmentFile): { readonly fd: number; readonly isOpen: boolean } | null {
  for (const place of new Set([path, sealedPath(path)])) {
    try {
      return { fd: openSync(place, 'r'), isOpen: isOpen && place === path }
    } catch (err) {
      if (!isGone(err)) throw err
    }
  }
  return null
}

function sizeOf({ path }: SegmentFile): Bytes {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

function isGone(err: unknown): boolean {
  return err instanceof Error && 'code' in err && err.code === 'ENOENT'
}

function quarterOf(time: string): Quarter | null {
  const quarter = Math.floor(Date.parse(time) / QUARTER_MS)
  return Number.isSafeInteger(quarter) ? quarter : null
}
