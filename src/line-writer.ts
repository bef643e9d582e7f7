import { write, writeSync } from 'node:fs'
import { FollowedTarget, type LineTarget } from './line-target.ts'
import type { Ms } from './time.ts'
import type { Bytes } from './units.ts'

/** What a writer is given. */
export interface LineWriterInit {
  /** Lines beyond this are dropped and counted, before the process dies of them. */
  readonly maxHeldBytes: Bytes
  /** How long a line waits for company: a write of each alone costs more than what it tells of. 0 writes at once. */
  readonly gatherMs: Ms
  /** Nothing can be written: once, until it can be again. The lines wait, in order. */
  readonly onFailing: (err: Error) => void
  /** Everything that waited is written. @param dropped lines that were given up meanwhile */
  readonly onRecovered: (dropped: number) => void
  /** Another file has the name now, and lines go there; or it cannot be opened, and they go on to the old one. */
  readonly onReopened?: (err: Error | null) => void
}

/** What operators see of a log. */
export interface LineWriterStatus {
  readonly heldBytes: Bytes
  /** Lines that were given up since the start. */
  readonly dropped: number
  /** Why nothing can be written, or null. */
  readonly fault: string | null
}

const PIECE_BYTES: Bytes = 32 * 1024
/** How much is written before others have their turn. */
const TURN_BYTES: Bytes = 1024 * 1024
const FULL_RETRY_MS: Ms = 1
const MAX_FULL_RETRY_MS: Ms = 50
const RETRY_MS: Ms = 1_000
const STALLED_MS: Ms = 5_000
/** How long the end waits while nothing is taken, and how long at most. */
const END_STALLED_MS: Ms = 500
const END_MS: Ms = 2_000
const EXIT_MS: Ms = 250
const NEWLINE = 10
const STALLED = 'nothing is taken: a pipe that nobody reads, or a disk that hangs'

const stuck = new Set<LineWriter>()

/** Whether the kernel has a write that it does not end: `process.exit` would wait for it without a bound. */
export function hasStuckWrite(): boolean {
  return stuck.size > 0
}

/**
 * Writes lines, in order and each whole, and never keeps its caller waiting: what a pipe, a terminal or a disk does not take
 * waits in memory, and what is too much for that is dropped and counted.
 *
 * A file that is renamed or deleted is opened anew by its name within five seconds, or at once by `reopen`. A file on a disk
 * that hangs occupies one thread of libuv's pool.
 */
export class LineWriter {
  dropped = 0
  heldBytes: Bytes = 0
  readonly #init: LineWriterInit
  readonly #file: FollowedTarget
  /** What was written last. */
  #target: LineTarget | null = null
  #lines: string[] = []
  #lineBytes: Bytes = 0
  readonly #pieces: Buffer[] = []
  /** What is being written, and how much of it has been. */
  #piece: Buffer | null = null
  #at = 0
  /** Since when the kernel has had a write. */
  #busySinceMs: Ms | null = null
  #gathering: NodeJS.Timeout | null = null
  #retry: NodeJS.Timeout | null = null
  #retryMs: Ms = FULL_RETRY_MS
  #progressMs: Ms = performance.now()
  #fault: Error | null = null
  #droppedBefore = 0
  #isClosed = false
  readonly #onExit = () => this.#flushSync(EXIT_MS)

  /** @param to path, or file descriptor (1 is stdout) @throws the file system's error when it cannot be opened */
  constructor(to: string | number, init: LineWriterInit) {
    this.#init = init
    this.#file = new FollowedTarget(to, err => {
      init.onReopened?.(err)
      this.#go()
    })
    process.once('exit', this.#onExit)
  }

  get status(): LineWriterStatus {
    const fault = (this.#fault ?? this.#file.fault)?.message ?? (this.#isStalled ? STALLED : null)
    return { heldBytes: this.heldBytes, dropped: this.dropped, fault }
  }

  /** @param line with its newline */
  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#isClosed || this.heldBytes + bytes > this.#init.maxHeldBytes) {
      this.dropped++
      if (this.#fault === null && !this.#isClosed) this.#fail(new Error('more lines come than are taken'))
      return
    }
    if (this.heldBytes === 0) this.#progressMs = performance.now()
    else if (this.#fault === null && this.#isStalled) this.#fail(new Error(STALLED))
    this.heldBytes += bytes
    this.#lines.push(line)
    this.#lineBytes += bytes
    if (this.#lineBytes >= PIECE_BYTES) this.#cut()
    if (this.#init.gatherMs === 0 || this.#pieces.length > 0) this.#go()
    else this.#gathering ??= setTimeout(() => this.#go(), this.#init.gatherMs).unref()
  }

  /** Looks whether the file still has its name, and opens the one that has it now. */
  reopen(): void {
    this.#file.look()
  }

  /** Writes what is held, if it is taken within two seconds, and gives up the rest. */
  async close(): Promise<void> {
    const endMs = performance.now() + END_MS
    const stalledMs = performance.now() + END_STALLED_MS
    this.#isClosed = true
    this.#retryMs = FULL_RETRY_MS
    this.#wake()
    while (this.heldBytes > 0) {
      const nowMs = performance.now()
      if (nowMs > endMs || nowMs > Math.max(stalledMs, this.#progressMs + END_STALLED_MS)) break
      await new Promise(resolve => setTimeout(resolve, FULL_RETRY_MS))
      if (this.#retryMs >= RETRY_MS) break
    }
    if (this.#retry !== null) clearTimeout(this.#retry)
    process.off('exit', this.#onExit)
    this.#cut()
    for (const piece of [...(this.#piece === null ? [] : [this.#piece.subarray(this.#at)]), ...this.#pieces]) {
      for (const byte of piece) if (byte === NEWLINE) this.dropped++
    }
    this.#file.close({ isBusy: this.#busySinceMs !== null })
  }

  get #isStalled(): boolean {
    return this.heldBytes > 0 && performance.now() - this.#progressMs > STALLED_MS
  }

  /** Makes one piece of the lines that came. */
  #cut(): void {
    if (this.#lines.length === 0) return
    this.#pieces.push(Buffer.from(this.#lines.join('')))
    this.#lines = []
    this.#lineBytes = 0
  }

  #wake(): void {
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
    this.#go()
  }

  /** Writes until nothing is left, or the target takes no more. */
  #go(): void {
    if (this.#gathering !== null) clearTimeout(this.#gathering)
    this.#gathering = null
    for (let turnBytes = 0; this.#busySinceMs === null && this.#retry === null; ) {
      const target = this.#current()
      if (target === null || !this.#hasPiece()) return
      const piece = this.#piece as Buffer
      if (target.mayWait) {
        this.#writeLater(target, piece)
        return
      }
      const at = this.#at
      try {
        this.#took(writeSync(target.fd, piece, at))
      } catch (err) {
        this.#refused(err as NodeJS.ErrnoException)
      }
      turnBytes += piece.length - at
      if (turnBytes > TURN_BYTES && this.#retry === null) this.#later(0)
    }
  }

  #writeLater(target: LineTarget, piece: Buffer): void {
    this.#busySinceMs = performance.now()
    stuck.add(this)
    write(target.fd, piece, this.#at, piece.length - this.#at, null, (err, count) => {
      this.#busySinceMs = null
      stuck.delete(this)
      if (err === null) {
        this.#took(count)
        this.#go()
      } else this.#refused(err)
    })
  }

  /** Null when there is none. Not to be called while a write is under way. */
  #current(): LineTarget | null {
    try {
      const target = this.#file.current()
      // A line that the old file has in part is written whole into the new one.
      if (target !== this.#target && this.#piece !== null && this.#at > 0) {
        this.#at = this.#piece.lastIndexOf(NEWLINE, this.#at - 1) + 1
      }
      this.#target = target
      return target
    } catch (err) {
      this.#refused(err as NodeJS.ErrnoException)
      return null
    }
  }

  #hasPiece(): boolean {
    if (this.#piece !== null) return true
    if (this.#pieces.length === 0) this.#cut()
    this.#piece = this.#pieces.shift() ?? null
    this.#at = 0
    return this.#piece !== null
  }

  #took(count: number): void {
    if (this.#piece === null) return
    this.#at += count
    this.#progressMs = performance.now()
    this.#retryMs = FULL_RETRY_MS
    if (this.#at < this.#piece.length) return
    this.heldBytes -= this.#piece.length
    this.#piece = null
    if (this.heldBytes > 0 || this.#fault === null) return
    this.#fault = null
    const dropped = this.dropped - this.#droppedBefore
    this.#droppedBefore = this.dropped
    this.#init.onRecovered(dropped)
  }

  #refused(err: NodeJS.ErrnoException): void {
    if (err.code === 'EAGAIN') {
      if (this.#isStalled) this.#fail(new Error(STALLED))
      this.#later(this.#retryMs)
      this.#retryMs = Math.min(this.#retryMs * 2, MAX_FULL_RETRY_MS)
    } else {
      this.#fail(err)
      this.#retryMs = RETRY_MS
      this.#later(RETRY_MS)
    }
  }

  #fail(err: Error): void {
    if (this.#fault === null) this.#init.onFailing(err)
    this.#fault = err
  }

  #later(ms: Ms): void {
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.#go()
    }, ms).unref()
  }

  /** For a process that dies: there is no turn of the event loop any more. */
  #flushSync(withinMs: Ms): void {
    const endMs = performance.now() + withinMs
    if (this.#busySinceMs !== null && performance.now() - this.#busySinceMs > withinMs) return
    // What the kernel has is on its way.
    if (this.#busySinceMs !== null) this.#piece = null
    for (let target = this.#current(); target !== null && this.#hasPiece(); ) {
      const piece = this.#piece as Buffer
      try {
        this.#took(writeSync(target.fd, piece, this.#at))
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > endMs) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_RETRY_MS)
      }
    }
  }
}
