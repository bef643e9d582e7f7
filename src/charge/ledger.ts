import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { LINE_TYPES, lockFile } from '../segments/format.ts'
import type { Lock } from '../segments/lock.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'
import { type Book, SegmentWriter, syncFolder } from './segment-writer.ts'

/** What waits is brought to the disk after so long, or when there is so much of it. */
const GATHER_MS: Ms = 25
const GATHER_BYTES: Bytes = 64 * 1024
const RETRY_MS: Ms = 500
/** So much waits for a disk that takes nothing. Usages of calls whose open was taken come on top: as many as are in flight. */
const MAX_WAITING = 50_000
const MAX_WAITING_BYTES: Bytes = 32 * 1024 * 1024
/** So much may be on its way from the kernel to the disk. */
const MAX_UNSYNCED_BYTES: Bytes = 4 * 1024 * 1024
/** How long the end of the gate waits for a disk that takes nothing. */
const CLOSE_MS: Ms = 5_000

/** What a ledger is given. */
export interface LedgerInit {
  readonly dir: string
  readonly instance: string
  readonly segmentBytes: Bytes
  readonly segmentMs: Ms
  readonly nowMs: NowMs
  /** Told once when the disk takes nothing; what waits is tried again until it does. */
  readonly onFailing: (err: unknown) => void
  /** Told once when it takes things again. */
  readonly onRecovered: () => void
  /** Lines were given up, because too much waited. Their numbers are missing in the ledger. */
  readonly onLost: (lines: number) => void
}

interface Entry {
  readonly call: number | null
  readonly isOpen: boolean
  readonly data: string
  readonly team: string
  readonly time: string
}

/**
 * Takes opens and usages and writes them to segments, in order, a few at a time. Nobody waits for it.
 *
 * What was taken outlives the process within a tenth of a second, and the machine when the disk has synced it. Only while
 * the next segment begins does it wait for the disk.
 */
export class Ledger {
  readonly book: Book
  readonly #init: LedgerInit
  readonly #lock: Lock
  #segment: SegmentWriter
  #waiting: Entry[] = []
  #waitingBytes: Bytes = 0
  /** Opens that have been put into a segment, and whose usages have not. */
  readonly #running = new Map<number, Entry>()
  #calls = 0
  #lost = 0
  #isFailing = false
  #work: Promise<void> | null = null
  #syncing: Promise<void> | null = null
  #gather: NodeJS.Timeout | null = null
  #age: NodeJS.Timeout | null = null
  #isOld = false
  /** The chain of a segment that was sealed, and the number after its last, until the next one is begun. */
  #sealed: { readonly chain: string; readonly seq: number } | null = null
  #isClosing = false
  #hasGivenUp = false
  /** Many lines are of one millisecond. */
  #timeMs: Ms = Number.NaN
  #timeText = ''
  readonly #onExit = () => this.#saveAtExit()

  constructor(init: LedgerInit, book: Book, lock: Lock, first: SegmentWriter) {
    this.#init = init
    this.book = book
    this.#lock = lock
    this.#segment = first
    this.#grow()
    process.once('exit', this.#onExit)
  }

  /** Whether what is taken now can be expected to be kept. */
  get isWell(): boolean {
    return !this.#isFailing && !this.#isFull
  }

  get #isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES
  }

  /** A call goes to an engine. @param data without `call` @returns its number, or null when the line was lost */
  open(data: object): number | null {
    if (this.#isFull) {
      this.#lost++
      return null
    }
    const call = this.#calls++
    this.#take({ call, isOpen: true, data: JSON.stringify({ call, ...data }), team: '', time: this.#time() })
    return call
  }

  /** A call has ended. @param call what `open` has given, or null for one that went to no engine */
  charge(call: number | null, team: string | null, data: object): void {
    // One whose open is there finds room: there are only so many.
    if (call === null && this.#isFull) this.#lost++
    else
      this.#take({
        call,
        isOpen: false,
        data: JSON.stringify({ call, ...data }),
        team: team ?? '',
        time: this.#time()
      })
  }

  /** Writes what waits, and ends the boot. Called when the last exchange has settled. Gives up on a disk that takes nothing. */
  async close(): Promise<void> {
    this.#isClosing = true
    for (const clock of [this.#gather, this.#age]) if (clock !== null) clearTimeout(clock)
    const late = setTimeout(() => {
      this.#hasGivenUp = true
    }, CLOSE_MS)
    await this.#end().catch(err => {
      if (!this.#hasGivenUp) throw err
      this.#init.onLost(this.#waiting.length)
    })
    clearTimeout(late)
    process.off('exit', this.#onExit)
    this.#segment.close()
    this.#lock.release()
  }

  async #end(): Promise<void> {
    await this.#work
    do await this.#writeAll()
    while (this.#waiting.length > 0)
    // A call that has not settled is a matter of the next start.
    if (this.#running.size > 0) return
    while (!(await this.#tried(() => this.#segment.seal(true))));
    rmSync(join(this.book.dir, lockFile(this.book)), { force: true })
  }

  #time(): string {
    const now = this.#init.nowMs()
    if (now !== this.#timeMs) {
      this.#timeMs = now
      this.#timeText = new Date(now).toISOString()
    }
    return this.#timeText
  }

  #take(entry: Entry): void {
    this.#waiting.push(entry)
    this.#waitingBytes += entry.data.length
    if (this.#work !== null || this.#isClosing) return
    if (this.#waitingBytes >= GATHER_BYTES) this.#begin()
    else this.#gather ??= setTimeout(() => this.#begin(), GATHER_MS)
  }

  #begin(): void {
    if (this.#gather !== null) clearTimeout(this.#gather)
    this.#gather = null
    if (this.#work !== null || this.#isClosing) return
    this.#work = this.#writeAll().then(() => {
      this.#work = null
      if (this.#waiting.length > 0 && !this.#isClosing) this.#gather ??= setTimeout(() => this.#begin(), GATHER_MS)
    })
    // Whoever closes the ledger is told; anything else is a mistake and ends the process.
    this.#work.catch(err => {
      if (!this.#hasGivenUp) throw err
    })
  }

  /** Brings what waits to the disk, however often it has to be tried. Ends when less waits than is worth a write. */
  async #writeAll(): Promise<void> {
    do {
      this.#put()
      const isFull = this.#segment.bytes >= this.#init.segmentBytes || this.#isOld
      const mustSync = isFull || this.#isFailing || this.#isClosing || this.#segment.unsyncedBytes > MAX_UNSYNCED_BYTES
      if (mustSync) {
        await this.#syncing
        while (!(await this.#tried(() => this.#segment.commit())));
      } else {
        while (!(await this.#tried(() => this.#segment.flush())));
        this.#sync()
      }
      if (isFull && !this.#isClosing) await this.#rotate()
    } while (this.#waitingBytes >= GATHER_BYTES)
  }

  /** What comes meanwhile is written all the same, and synced with the next. */
  #sync(): void {
    this.#syncing ??= this.#segment
      .sync()
      .catch(err => {
        if (!this.#isFailing) this.#init.onFailing(err)
        this.#isFailing = true
        setTimeout(() => this.#begin(), RETRY_MS)
      })
      .then(() => {
        this.#syncing = null
        if (this.#segment.unsyncedBytes > 0 && this.#work === null && !this.#isFailing) this.#sync()
      })
  }

  #put(): void {
    if (this.#lost > 0) {
      this.#segment.skip(this.#lost)
      this.#init.onLost(this.#lost)
      this.#lost = 0
    }
    const entries = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const entry of entries) {
      this.#write(entry)
      if (entry.call === null) continue
      if (entry.isOpen) this.#running.set(entry.call, entry)
      else this.#running.delete(entry.call)
    }
  }

  #write({ isOpen, data, team, time }: Entry): void {
    if (isOpen) this.#segment.put(LINE_TYPES.open, data, '', time)
    else {
      const { instance, boot } = this.book
      const more = `"specversion":"1.0","source":"${instance}/${boot}","subject":${JSON.stringify(team)},`
      this.#segment.put(LINE_TYPES.usage, data, more, time)
    }
  }

  async #rotate(): Promise<void> {
    if (this.#segment.isEmpty) {
      this.#grow()
      return
    }
    while (!(await this.#tried(() => this.#seal())));
    while (!(await this.#tried(async () => this.#next())));
    while (!(await this.#tried(() => this.#segment.commit())));
    while (!(await this.#tried(() => syncFolder(this.book.dir))));
    this.#grow()
  }

  async #seal(): Promise<void> {
    this.#sealed ??= await this.#segment.seal(false)
  }

  /** Begins the next segment. Calls that go on are opened in it once more, so that it can be read without those before. */
  #next(): void {
    if (this.#sealed === null) return
    const { chain, seq } = this.#sealed
    const number = this.#segment.number + 1
    this.#segment = SegmentWriter.create(this.book, { number, seq, prev: chain, carried: this.#running.size })
    this.#sealed = null
    for (const entry of this.#running.values()) this.#write(entry)
  }

  /** The segment begins to grow old. */
  #grow(): void {
    this.#isOld = false
    if (this.#age !== null) clearTimeout(this.#age)
    if (this.#isClosing) return
    this.#age = setTimeout(() => {
      this.#isOld = true
      this.#begin()
    }, this.#init.segmentMs)
    this.#age.unref()
  }

  /** @returns false when it has to be tried again, after a while */
  async #tried(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
    } catch (err) {
      if (!this.#isFailing) this.#init.onFailing(err)
      this.#isFailing = true
      if (this.#hasGivenUp) throw err
      await new Promise(resolve => setTimeout(resolve, RETRY_MS))
      return false
    }
    if (this.#isFailing) this.#init.onRecovered()
    this.#isFailing = false
    return true
  }

  /** A process that ends by an error of its own has no time for anything else. */
  #saveAtExit(): void {
    try {
      this.#put()
      this.#segment.commitSync()
    } catch {
      // Whoever could be told has been told.
    }
  }
}
