import { closeSync, constants, fstatSync, openSync, stat, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from './make-folder.ts'
import { openOrMake } from './private-files.ts'
import type { Ms } from './time.ts'

/** Where lines are written to. */
export interface LineTarget {
  readonly fd: number
  /** Whether a write may wait, as it does for a disk. Of any other target, a write that would wait fails with EAGAIN. */
  readonly mayWait: boolean
  /** Which file it is, whatever its name is now. */
  readonly id: string
  close(): void
}

const { O_APPEND, O_NOCTTY, O_NONBLOCK, O_RDWR, O_WRONLY } = constants
const LOOK_MS: Ms = 5_000
const NOW = O_NONBLOCK | O_NOCTTY

/**
 * Opens a file for appending, with the folders above it, or a descriptor that the process was started with.
 *
 * A pipe or a terminal is opened once more, so that writes to it do not wait and nobody who shares it notices. A named pipe
 * needs no reader: what the kernel has room for waits there for one.
 *
 * @param to path, or file descriptor @throws the file system's error; ENXIO for a descriptor whose pipe nobody reads
 */
export function openLineTarget(to: string | number): LineTarget {
  return typeof to === 'number' ? openDescriptor(to) : openPath(to)
}

function fileId({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`
}

function openPath(path: string): LineTarget {
  const isPipe = statSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false
  if (isPipe) return ours(openSync(path, O_RDWR | NOW))
  makeFolder(dirname(path), 0o777)
  return ours(openOrMake(path, O_WRONLY | O_APPEND | NOW, 0o640))
}

function openDescriptor(fd: number): LineTarget {
  const stats = fstatSync(fd)
  const given = { fd, mayWait: true, id: fileId(stats), close() {} }
  if (stats.isFile()) return given
  try {
    if (!stats.isSocket()) return ours(openSync(`/proc/self/fd/${fd}`, O_WRONLY | NOW))
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENXIO') throw err
    // Another user's pipe, or no /proc: as it is.
  }
  // Node makes standard streams that are pipes or sockets non-blocking when they are first looked at.
  if (fd === 1) process.stdout.writable
  if (fd === 2) process.stderr.writable
  return given
}

function ours(fd: number): LineTarget {
  const stats = fstatSync(fd)
  return { fd, mayWait: stats.isFile(), id: fileId(stats), close: () => closeSync(fd) }
}

/**
 * A target, and the one that follows it when its file was renamed or deleted: what has its name then. Looks every five seconds.
 */
export class FollowedTarget {
  readonly #to: string | number
  readonly #onReopened: (err: Error | null) => void
  /** Null while it cannot be opened. */
  #now: LineTarget | null = null
  #next: LineTarget | null = null
  readonly #looking: NodeJS.Timeout | null = null
  #isClosed = false
  /** Why the file that has the name cannot be opened, or null. */
  fault: Error | null = null

  /**
   * @param to path, or file descriptor
   * @param onReopened told when another file has the name: it was opened, or cannot be, and the old one is written still
   * @throws the file system's error when a path cannot be opened
   */
  constructor(to: string | number, onReopened: (err: Error | null) => void) {
    this.#to = to
    this.#onReopened = onReopened
    try {
      this.#now = openLineTarget(to)
    } catch (err) {
      if (typeof to === 'string') throw err
    }
    if (typeof to === 'number') return
    this.#looking = setInterval(() => this.look(), LOOK_MS).unref()
  }

  /** What is to be written now; not to be asked for while a write is under way. @throws the file system's error */
  current(): LineTarget {
    if (this.#next !== null) {
      this.#now?.close()
      this.#now = this.#next
      this.#next = null
    }
    this.#now ??= openLineTarget(this.#to)
    return this.#now
  }

  /** Looks whether the file still has its name, and opens the one that has it now. */
  look(): void {
    const to = this.#to
    if (typeof to === 'number') return
    stat(to, (err, stats) => {
      if (this.#isClosed || (err !== null && err.code !== 'ENOENT' && err.code !== 'ENOTDIR')) return
      const known = this.#next ?? this.#now
      if (err === null && known?.id === fileId(stats)) {
        this.fault = null
        return
      }
      this.#reopen(to)
    })
  }

  #reopen(path: string): void {
    try {
      const opened = openLineTarget(path)
      this.#next?.close()
      this.#next = opened
      this.fault = null
      this.#onReopened(null)
    } catch (err) {
      if (this.fault === null) this.#onReopened(err as Error)
      this.fault = err as Error
    }
  }

  /** @param isBusy the kernel has a write of it, and the descriptor must stay */
  close({ isBusy }: { readonly isBusy: boolean }): void {
    this.#isClosed = true
    if (this.#looking !== null) clearInterval(this.#looking)
    this.#next?.close()
    if (!isBusy) this.#now?.close()
  }
}
