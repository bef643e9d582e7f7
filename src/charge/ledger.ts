import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { lockFile } from '../segments/format.ts'
import type { Lock } from '../segments/lock.ts'
import type { Ms, NowMs } from '../time.ts'
import type { Bytes } from '../units.ts'
import { Queue } from './queue.ts'
import { type Entry, Roll } from './roll.ts'
import type { Book, SegmentWriter } from './segment-writer.ts'
import { type LedgerStats, Tally } from './tally.ts'

/** What waits is written after so long, or when there is so much of it. */
const GATHER_MS: Ms = 25
const GATHER_BYTES: Bytes = 64 * 1024
const RETRY_MS: Ms = 500
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
  /** The kernel has a group of lines. @param ms since the first of them was taken */
  readonly onWritten?: (ms: Ms) => void
  /** Lines were given up, because too much waited. Their numbers are missing in the ledger. */
  readonly onLost: (lines: number) => void
}

/**
 * Takes opens and usages and writes them to segments, in order, a few at a time. Nobody waits for it.
 *
 * What was taken outlives the process when the kernel has it: `GATHER_MS` later and a write. No sync and no other segment is
 * waited for, unless the disk is far behind. It outlives the machine when the disk has synced it.
 */
export class Ledger {
  readonly book: Book
  readonly #init: LedgerInit
  readonly #lock: Lock
  readonly #roll: Roll
  readonly #queue = new Queue()
  readonly #tally = new Tally()
  #calls = 0
  #lost = 0
  /** What does not succeed at the moment. */
  readonly #failing = new Set<'write' | 'sync'>()
  #work: Promise<void> | null = null
  #syncing: Promise<void> | null = null
  #syncAgain: NodeJS.Timeout | null = null
  #gather: NodeJS.Timeout | null = null
  #age: NodeJS.Timeout | null = null
  #isOld = false
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
    this.#roll = new Roll(book, first, init.segmentBytes)
    this.#grow()
    process.once('exit', this.#onExit)
  }

  /** Whether what is taken now can be expected to be kept. */
  get isWell(): boolean {
    return this.#failing.size === 0 && !this.#queue.isFull
  }

  get stats(): LedgerStats {
    return this.#tally.stats({ bytes: this.#roll.bytes, waiting: this.#queue.size, sinceMs: this.#queue.sinceMs })
  }

  /** A call goes to an engine. @param data without `call` @returns its number, or null when the line was lost */
  open(data: object): number | null {
    if (this.#queue.isFull) {
      this.#lose()
      return null
    }
    const call = this.#calls++
    this.#take({ call, isOpen: true, data: JSON.stringify({ call, ...data }), team: '', time: this.#time() })
    return call
  }

  /** A call has ended. @param call what `open` has given, or null for one that went to no engine */
  charge(call: number | null, team: string | null, data: object): void {
    // One whose open is there finds room: there are only so many.
    if (call === null && this.#queue.isFull) this.#lose()
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
    for (const clock of [this.#gather, this.#age, this.#syncAgain]) if (clock !== null) clearTimeout(clock)
    const late = setTimeout(() => {
      this.#hasGivenUp = true
    }, CLOSE_MS)
    await this.#end().catch(err => {
      if (!this.#hasGivenUp) throw err
      this.#init.onLost(this.#queue.size)
    })
    clearTimeout(late)
    process.off('exit', this.#onExit)
    this.#roll.close()
    this.#lock.release()
  }

  async #end(): Promise<void> {
    await this.#work
    do await this.#writeAll()
    while (this.#queue.size > 0)
    // A call that has not settled is a matter of the next start.
    if (this.#roll.running > 0) return
    while (!(await this.#tried('sync', () => this.#roll.seal())));
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

  #lose(): void {
    this.#lost++
    this.#tally.lost++
  }

  #take(entry: Entry): void {
    this.#queue.add(entry)
    if (this.#queue.bytes >= GATHER_BYTES) this.#begin()
    else this.#plan()
  }

  /** What waits is written when the first of it has waited long enough. */
  #plan(): void {
    if (this.#work !== null || this.#isClosing || this.#gather !== null) return
    const waitMs = Math.max(0, (this.#queue.sinceMs ?? 0) + GATHER_MS - performance.now())
    this.#gather = setTimeout(() => this.#begin(), waitMs)
  }

  #begin(): void {
    if (this.#work !== null || this.#isClosing) return
    if (this.#gather !== null) clearTimeout(this.#gather)
    this.#gather = null
    this.#work = this.#writeAll().then(() => {
      this.#work = null
      if (this.#queue.size > 0 || this.#isOld) this.#plan()
    })
    // Whoever closes the ledger is told; anything else is a mistake and ends the process.
    this.#work.catch(err => {
      if (!this.#hasGivenUp) throw err
    })
  }

  /** Writes what waits, however often it has to be tried. Ends when less waits than is worth a write. */
  async #writeAll(): Promise<void> {
    let hasRotated: boolean
    do {
      this.#put()
      while (!(await this.#tried('write', () => this.#roll.flush())));
      const ms = this.#tally.written()
      if (ms !== null) this.#init.onWritten?.(ms)
      if (this.#isClosing || this.#roll.isBehind) {
        await this.#syncing
        while (!(await this.#tried('sync', () => this.#roll.commit())));
        this.#tally.committed()
      }
      hasRotated = !this.#isClosing && (this.#isOld || this.#roll.isFull) && (await this.#rotate())
      this.#sync()
    } while (hasRotated || this.#queue.bytes >= GATHER_BYTES)
  }

  /** What comes meanwhile is written all the same, and synced with the next. */
  #sync(): void {
    if (this.#syncing !== null || this.#syncAgain !== null || this.#isClosing) return
    if (this.#roll.isSynced) return
    this.#tally.syncBegins()
    this.#syncing = this.#roll
      .sync()
      .then(
        () => {
          this.#tally.synced()
          this.#succeed('sync')
        },
        err => {
          this.#fail('sync', err)
          this.#syncAgain = setTimeout(() => {
            this.#syncAgain = null
            this.#begin()
          }, RETRY_MS)
          this.#syncAgain.unref()
        }
      )
      .then(() => {
        this.#syncing = null
        if (this.#work === null) this.#sync()
      })
  }

  #put(): void {
    if (this.#lost > 0) {
      this.#roll.skip(this.#lost)
      this.#init.onLost(this.#lost)
      this.#lost = 0
    }
    const { entries, sinceMs } = this.#queue.takeAll()
    for (const entry of entries) this.#roll.put(entry)
    this.#tally.put(entries, sinceMs)
  }

  /** Begins the next segment. @returns whether there is one */
  async #rotate(): Promise<boolean> {
    const isEmpty = this.#roll.isEmpty
    if (!isEmpty) {
      this.#roll.end()
      while (!(await this.#tried('write', () => this.#roll.flush())));
      while (!(await this.#tried('write', () => this.#roll.begin())));
    }
    this.#grow()
    return !isEmpty
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
  async #tried(what: 'write' | 'sync', work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
    } catch (err) {
      this.#fail(what, err)
      if (this.#hasGivenUp) throw err
      await new Promise(resolve => setTimeout(resolve, RETRY_MS))
      return false
    }
    this.#succeed(what)
    return true
  }

  #fail(what: 'write' | 'sync', err: unknown): void {
    this.#tally.errors++
    if (this.#failing.size === 0) this.#init.onFailing(err)
    this.#failing.add(what)
  }

  #succeed(what: 'write' | 'sync'): void {
    if (this.#failing.delete(what) && this.#failing.size === 0) this.#init.onRecovered()
  }

  /** A process that ends by an error of its own has no time for anything else. */
  #saveAtExit(): void {
    try {
      this.#roll.beginSync()
      this.#put()
      this.#roll.commitSync()
    } catch {
      // Whoever could be told has been told.
    }
  }
}
