import { LINE_TYPES } from '../segments/format.ts'
import type { Bytes } from '../units.ts'
import { type Book, type SegmentStart, SegmentWriter } from './segment-writer.ts'

/** An open, or a usage. */
export interface Entry {
  /** Number of the call; null for one that went to no engine. */
  readonly call: number | null
  readonly isOpen: boolean
  /** JSON. */
  readonly data: string
  readonly team: string
  /** When it was taken, ISO 8601. */
  readonly time: string
}

/** So much may be on its way from the kernel to the disk, and so many segments. */
const MAX_UNSYNCED_BYTES: Bytes = 16 * 1024 * 1024
const MAX_SEALED = 64

/**
 * The segments of a boot, one after the other: the one that is written, and those whose seal the kernel has and the disk may
 * have not. What fails can be done again, by the same call or by `commit`.
 *
 * `sync` may run beside everything but `commit`, `seal` and itself; of the others one at a time.
 */
export class Roll {
  readonly #book: Book
  readonly #segmentBytes: Bytes
  #segment: SegmentWriter
  /** They get their names when the disk has them. */
  readonly #sealed: SegmentWriter[] = []
  /** Opens that have been put into a segment, and whose usages have not. */
  readonly #running = new Map<number, Entry>()
  /** What the segment held when nothing was in it but its head and what is carried. */
  #headBytes: Bytes
  /** Of segments that have ended. */
  #endedBytes: Bytes = 0

  constructor(book: Book, first: SegmentWriter, segmentBytes: Bytes) {
    this.#book = book
    this.#segmentBytes = segmentBytes
    this.#segment = first
    this.#headBytes = first.bytes
  }

  /** In all segments. */
  get bytes(): Bytes {
    return this.#endedBytes + this.#segment.bytes
  }

  /** Calls that have no usage yet. */
  get running(): number {
    return this.#running.size
  }

  /** Nothing is in the segment but what is carried. */
  get isEmpty(): boolean {
    return this.#segment.bytes === this.#headBytes
  }

  /** What is carried does not count: it is as much in the next one. */
  get isFull(): boolean {
    return this.#segment.bytes - this.#headBytes >= this.#segmentBytes
  }

  /** Whether the disk has everything that the kernel has. */
  get isSynced(): boolean {
    return this.#sealed.length === 0 && this.#segment.unsyncedBytes === 0
  }

  /** Whether the disk has too much to do. */
  get isBehind(): boolean {
    let bytes = this.#segment.unsyncedBytes
    for (const sealed of this.#sealed) bytes += sealed.unsyncedBytes
    return bytes > MAX_UNSYNCED_BYTES || this.#sealed.length >= MAX_SEALED
  }

  /** So many numbers are left out, for lines that are lost. */
  skip(count: number): void {
    this.#segment.skip(count)
  }

  put(entry: Entry): void {
    this.#write(entry)
    if (entry.call === null) return
    if (entry.isOpen) this.#running.set(entry.call, entry)
    else this.#running.delete(entry.call)
  }

  /** Hands everything that was put to the kernel. */
  async flush(): Promise<void> {
    await this.#segment.flush()
  }

  /** Brings what the kernel has to the disk, in order. After an error `flush` comes first. */
  async sync(): Promise<void> {
    await this.#shut()
    await this.#segment.sync()
  }

  /** Both. */
  async commit(): Promise<void> {
    await this.#shut()
    await this.#segment.commit()
  }

  /** Ends the segment. `flush` and `begin` follow: the kernel has the seal before there is a next one. */
  end(): void {
    this.#segment.end(false)
  }

  /** Begins the segment after one that has ended. Calls that go on are opened in it once more: it can be read alone. */
  async begin(): Promise<void> {
    this.#follow(await SegmentWriter.begin(this.#book, this.#start()))
  }

  /** Ends the boot. */
  async seal(): Promise<void> {
    await this.#shut()
    await this.#segment.seal(true)
  }

  /** For a process that ends: begins the next segment when the last one has ended. @throws the file system's error */
  beginSync(): void {
    if (!this.#segment.hasEnded) return
    this.#segment.commitSync()
    this.#follow(SegmentWriter.create(this.#book, this.#start()))
  }

  /** `commit` for a process that ends. @throws the file system's error */
  commitSync(): void {
    this.#segment.commitSync()
  }

  /** Leaves everything as it is. */
  close(): void {
    for (const segment of [...this.#sealed, this.#segment]) segment.close()
  }

  #start(): SegmentStart {
    const { chain, seq } = this.#segment.end(false)
    return { number: this.#segment.number + 1, seq, prev: chain, carried: this.#running.size }
  }

  #follow(next: SegmentWriter): void {
    this.#sealed.push(this.#segment)
    this.#endedBytes += this.#segment.bytes
    this.#segment = next
    for (const entry of this.#running.values()) this.#write(entry)
    this.#headBytes = next.bytes
  }

  async #shut(): Promise<void> {
    for (let first = this.#sealed[0]; first !== undefined; first = this.#sealed[0]) {
      await first.shut()
      this.#sealed.shift()
    }
  }

  #write({ isOpen, data, team, time }: Entry): void {
    if (isOpen) this.#segment.put(LINE_TYPES.open, data, '', time)
    else {
      const { instance, boot } = this.#book
      const more = `"specversion":"1.0","source":"${instance}/${boot}","subject":${JSON.stringify(team)},`
      this.#segment.put(LINE_TYPES.usage, data, more, time)
    }
  }
}
