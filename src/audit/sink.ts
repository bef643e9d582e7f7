import { openSync } from 'node:fs'
import { dirname } from 'node:path'
import sonic from 'sonic-boom'
import { makeFolder } from '../make-folder.ts'
import { printableJson } from '../printable.ts'
import type { AuditRecord } from './record.ts'

/** Takes audit records and writes each as one line of JSON. */
export interface AuditSink {
  write(record: AuditRecord): void
  /** Lines that were given up since it was opened. */
  readonly dropped: number
  /** Writes what is still held. Called after the last exchange has settled. */
  close(): Promise<void>
}

/** Lines wait for company so long, or until so many characters are together: a write of each alone costs more than the call. */
const GATHER_MS = 20
const GATHER_CHARS = 32 * 1024

const RETRY_MS = 1_000

/** So much waits for a disk that takes nothing; then lines are dropped and counted, before the gate itself dies of them. */
const MAX_HELD_BYTES = 64 * 1024 * 1024

/** The audit log cannot be opened: nothing may be served that is not written down. */
export class AuditLogError extends Error {
  constructor(file: string, cause: unknown) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    super(`the audit log ${file} cannot be opened (${code}). Mend it, or change 'audit.to'.`, { cause })
  }
}

/** Who is told when writing fails, once, and when it works again. */
export interface AuditSinkEvents {
  /** The lines stay queued, in order, and are tried again with the next ones. */
  onFailing(err: Error): void
  /** @param dropped lines that were given up meanwhile */
  onRecovered(dropped: number): void
}

/**
 * Opens the audit log: appends, never rewrites; makes the folder when it is missing. Lines are handed to the kernel in
 * order, together with those of the next twenty milliseconds; a kill -9 loses no more than those.
 *
 * @param to file descriptor (1 is stdout) or path
 * @throws AuditLogError when the file cannot be opened for appending
 */
export function openAuditSink(to: number | string, events: AuditSinkEvents): AuditSink {
  const fd = typeof to === 'number' ? to : openForAppending(to)
  const out = new sonic.SonicBoom({ fd, sync: false, minLength: 1, maxLength: MAX_HELD_BYTES })
  let isFailing = false
  let isRetryPlanned = false
  let isClosed = false
  let dropped = 0
  let droppedBefore = 0
  out.on('error', err => {
    if (!isFailing) events.onFailing(err)
    isFailing = true
    if (isRetryPlanned) return
    // When as much is held as may be, no new line sets it going again.
    isRetryPlanned = true
    setTimeout(() => {
      isRetryPlanned = false
      if (!isClosed) out.flush()
    }, RETRY_MS).unref()
  })
  out.on('write', () => {
    if (!isFailing) return
    isFailing = false
    events.onRecovered(dropped - droppedBefore)
    droppedBefore = dropped
  })
  out.on('drop', (lines: string) => {
    dropped += lines.split('\n').length - 1
  })
  // Gathered here and not by the destination, which measures all that it holds anew with every line.
  let gathered = ''
  let isPlanned = false
  const handOver = () => {
    if (gathered === '' || isClosed) return
    const lines = gathered
    gathered = ''
    out.write(lines)
  }
  const onTime = () => {
    isPlanned = false
    handOver()
  }
  // When the process dies of an uncaught error there is no close.
  const onExit = () => {
    handOver()
    try {
      out.flushSync()
    } catch {
      // Whoever could be told has been told.
    }
  }
  process.once('exit', onExit)
  return {
    get dropped() {
      return dropped
    },
    write: record => {
      gathered += `${printableJson(JSON.stringify(record))}\n`
      if (gathered.length >= GATHER_CHARS) handOver()
      else if (!isPlanned) {
        isPlanned = true
        setTimeout(onTime, GATHER_MS).unref()
      }
    },
    close: () =>
      new Promise(resolve => {
        out.once('close', () => resolve())
        out.once('error', () => resolve())
        handOver()
        isClosed = true
        process.off('exit', onExit)
        out.end()
      })
  }
}

function openForAppending(file: string): number {
  try {
    makeFolder(dirname(file), 0o777)
    return openSync(file, 'a', 0o640)
  } catch (err) {
    throw new AuditLogError(file, err)
  }
}
