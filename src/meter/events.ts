import type { Bytes } from '../units.ts'

/** An event that is longer than this goes by unread and unhidden. */
export const MAX_EVENT_BYTES: Bytes = 1024 * 1024

/** What becomes of an event. `park`: it is cut, and waits for the next event, which says what stands in its gap. */
export type Verdict = 'pass' | 'drop' | 'cut' | 'park'

/** Says an engine's error in the gate's words. @param error as it stands in the event */
export type Mend = (error: unknown) => {
  /** The data of the whole event. */
  readonly text: string
  readonly code: string
  readonly message: string
}

/** Reads the data of events, and says what becomes of each. */
export interface EventReader {
  /** Reads the data of one event, which stands in `bytes` from `start` up to `limit`. */
  event(bytes: Buffer, start: number, limit: number): Verdict
  /** After `cut` and `park`: what is left out, and what is put in its place. */
  readonly cutFrom: number
  readonly cutTo: number
  readonly insert: string
}

/**
 * Takes a byte stream apart into server-sent events, however it is cut into pieces, and gives back what goes on.
 *
 * A piece in which nothing is hidden goes on as it is, the same object. An event whose end has come goes on at once; of one
 * whose end has not come, nothing does. Lines end with LF or CR LF; a CR alone ends none.
 */
export class EventStream {
  readonly #reader: EventReader
  /** The beginning of an event whose end has not come. */
  #held: Held | null = null
  /** In the middle of an event that is too long: the last bytes that have gone by. */
  #goingBy: Buffer | null = null
  /** An event that waits for the next one: what stands before its gap, and behind it. */
  #parked: readonly [Buffer, Buffer] | null = null
  /** Events that were too long to be read. */
  unread = 0

  constructor(reader: EventReader) {
    this.#reader = reader
  }

  /** @returns what goes on; null for nothing */
  chunk(piece: Buffer): Buffer | null {
    if (this.#goingBy !== null) return this.#goBy(this.#goingBy, piece)
    if (this.#held === null) return this.#split(piece)
    const searched = this.#held.bytes.length
    this.#held.add(piece)
    const { bytes } = this.#held
    // The empty line may have begun in what was there before.
    if (eventEnd(bytes, 0, Math.max(0, searched - 3)) === -1) {
      return bytes.length > MAX_EVENT_BYTES ? this.#giveUp(bytes) : null
    }
    this.#held = null
    return this.#split(bytes)
  }

  /** The stream has ended: what was held back goes on, as if the end of its event had come. */
  end(): Buffer | null {
    const held = this.#held?.bytes ?? EMPTY
    this.#held = null
    let out: Buffer | null | undefined = held.length === 0 ? null : this.#event(held, 0, held.length)
    if (out === undefined) out = held
    if (this.#parked !== null) out = Buffer.concat([this.#unpark(''), out ?? EMPTY])
    return out
  }

  /** Goes through the events of bytes that begin with one, and keeps the beginning of the last. */
  #split(bytes: Buffer): Buffer | null {
    let out: Buffer[] | null = null
    // What has been dealt with, and what of it has been put out.
    let at = 0
    let from = 0
    for (let end = eventEnd(bytes, 0, 0); end !== -1; end = eventEnd(bytes, at, at)) {
      const event = this.#event(bytes, at, end)
      if (event !== undefined) {
        out ??= []
        if (from < at) out.push(bytes.subarray(from, at))
        if (event !== null) out.push(event)
        from = end
      }
      at = end
    }
    const rest = at < bytes.length ? bytes.subarray(at) : EMPTY
    const goesBy = rest.length > MAX_EVENT_BYTES
    if (goesBy) this.#giveUp(rest)
    else if (rest.length > 0) this.#held = new Held(rest)
    const done = goesBy ? bytes.length : at
    if (out === null) return done === bytes.length ? bytes : done === 0 ? null : bytes.subarray(0, done)
    if (from < done) out.push(bytes.subarray(from, done))
    return out.length === 0 ? null : out.length === 1 && out[0] !== undefined ? out[0] : Buffer.concat(out)
  }

  /** @returns what stands in the place of an event: undefined when it goes on as it is, null for nothing */
  #event(bytes: Buffer, at: number, end: number): Buffer | null | undefined {
    const data = findData(bytes, at, end)
    if (data === null && this.#parked === null) return undefined
    const reader = this.#reader
    const verdict = data === null ? 'pass' : reader.event(data.bytes, data.start, data.limit)
    const waited = this.#parked === null ? null : this.#unpark(data === null ? '' : reader.insert)
    if (verdict === 'pass' || data === null) {
      return waited === null ? undefined : Buffer.concat([waited, bytes.subarray(at, end)])
    }
    if (verdict === 'drop') return waited
    if (data.bytes !== bytes) return Buffer.concat([waited ?? EMPTY, rewritten(bytes, at, end, data.bytes, reader)])
    const before = bytes.subarray(at, reader.cutFrom)
    const behind = bytes.subarray(reader.cutTo, end)
    if (verdict === 'park') {
      this.#parked = [Buffer.from(before), Buffer.from(behind)]
      return waited
    }
    if (waited === null && reader.insert === '') return twoTogether(before, behind)
    return Buffer.concat([waited ?? EMPTY, before, Buffer.from(reader.insert), behind])
  }

  #unpark(insert: string): Buffer {
    const [before, behind] = this.#parked ?? [EMPTY, EMPTY]
    this.#parked = null
    return Buffer.concat([before, Buffer.from(insert), behind])
  }

  /** From here on an event goes by that is too long. @returns its beginning */
  #giveUp(bytes: Buffer): Buffer {
    this.unread++
    this.#held = null
    this.#goingBy = Buffer.from(bytes.subarray(-3))
    return bytes
  }

  #goBy(before: Buffer, piece: Buffer): Buffer | null {
    const bytes = Buffer.concat([before, piece])
    const end = emptyLineEnd(bytes, 0)
    if (end === -1) {
      this.#goingBy = Buffer.from(bytes.subarray(-3))
      return piece
    }
    this.#goingBy = null
    const passed = end - before.length
    if (passed === piece.length) return piece
    const more = this.#split(piece.subarray(passed))
    return more === null ? piece.subarray(0, passed) : Buffer.concat([piece.subarray(0, passed), more])
  }
}

const EMPTY = Buffer.alloc(0)
const LF = 0x0a
const CR = 0x0d

/** Bytes that grow, each copied a bounded number of times. */
class Held {
  #room: Buffer
  #length: number

  constructor(bytes: Buffer) {
    this.#room = Buffer.from(bytes)
    this.#length = bytes.length
  }

  get bytes(): Buffer {
    return this.#room.subarray(0, this.#length)
  }

  add(piece: Buffer): void {
    const length = this.#length + piece.length
    if (length > this.#room.length) {
      const room = Buffer.allocUnsafe(Math.max(length, this.#room.length * 2))
      this.#room.copy(room, 0, 0, this.#length)
      this.#room = room
    }
    piece.copy(this.#room, this.#length)
    this.#length = length
  }
}

/** @returns the index after the event that begins at `at`, or -1. An empty line alone is one. @param from where to look */
function eventEnd(bytes: Buffer, at: number, from: number): number {
  if (bytes[at] === LF) return at + 1
  if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2
  return emptyLineEnd(bytes, from)
}

/** @returns the index after the first empty line behind another line, or -1 */
function emptyLineEnd(bytes: Buffer, from: number): number {
  for (let lf = bytes.indexOf(LF, from); lf !== -1; lf = bytes.indexOf(LF, lf + 1)) {
    if (bytes[lf + 1] === LF) return lf + 2
    if (bytes[lf + 1] === CR && bytes[lf + 2] === LF) return lf + 3
  }
  return -1
}

interface Data {
  readonly bytes: Buffer
  readonly start: number
  readonly limit: number
}

/** Where the data of an event stands: in its own bytes when it has one line of them, else put together from its lines. */
function findData(bytes: Buffer, at: number, end: number): Data | null {
  let start = -1
  let limit = -1
  let lines: Buffer[] | null = null
  for (let line = at; line < end; ) {
    const lf = bytes.indexOf(LF, line)
    const next = lf === -1 || lf >= end ? end : lf + 1
    const stop = next > line && bytes[next - 1] === LF ? (bytes[next - 2] === CR ? next - 2 : next - 1) : next
    if (isData(bytes, line, stop)) {
      if (start !== -1) {
        lines ??= [bytes.subarray(start, limit)]
        lines.push(NEWLINE, bytes.subarray(line + (bytes[line + 5] === 0x20 ? 6 : 5), stop))
      }
      start = line + (bytes[line + 5] === 0x20 ? 6 : 5)
      limit = stop
      // Nothing but the empty line is left.
      if (end - next <= 1) break
    }
    line = next
  }
  if (lines !== null) {
    const joined = Buffer.concat(lines)
    return { bytes: joined, start: 0, limit: joined.length }
  }
  return start === -1 ? null : { bytes, start, limit }
}

const NEWLINE = Buffer.from('\n')

/** `data:` */
function isData(bytes: Buffer, at: number, stop: number): boolean {
  return (
    stop - at >= 5 &&
    bytes[at] === 0x64 &&
    bytes[at + 1] === 0x61 &&
    bytes[at + 2] === 0x74 &&
    bytes[at + 3] === 0x61 &&
    bytes[at + 4] === 0x3a
  )
}

/** An event whose data stood on several lines, with what is left of it. */
function rewritten(bytes: Buffer, at: number, end: number, data: Buffer, reader: EventReader): Buffer {
  const text = data.toString('latin1', 0, reader.cutFrom) + reader.insert + data.toString('latin1', reader.cutTo)
  const lines = text.split('\n').map(line => `data: ${line}`)
  const others = bytes
    .toString('latin1', at, end)
    .split(/\r?\n/)
    .filter(line => line !== '' && !line.startsWith('data:'))
  return Buffer.from(`${[...others, ...lines].join('\n')}\n\n`, 'latin1')
}

function twoTogether(before: Buffer, behind: Buffer): Buffer {
  const both = Buffer.allocUnsafe(before.length + behind.length)
  both.set(before, 0)
  both.set(behind, before.length)
  return both
}
