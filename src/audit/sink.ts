import { destination } from 'pino'
import type { AuditRecord } from './record.ts'

/** Takes audit records and writes each as one line of JSON. */
export interface AuditSink {
  write(record: AuditRecord): void
  /** Writes what is still held. Called after the last exchange has settled. */
  close(): Promise<void>
}

/** Lines wait for company so long, or until so many bytes are together: a write of each alone costs more than the call. */
const FLUSH_EVERY_MS = 20
const FLUSH_AT_BYTES = 8 * 1024

/**
 * Opens the audit log: appends, never rewrites; makes the folder when it is missing. Lines are handed to the kernel in
 * order, together with those of the next twenty milliseconds; a kill -9 loses no more than those.
 *
 * @param to file descriptor (1 is stdout) or path
 * @param onError told of every write that failed; the lines stay queued and are tried again
 */
export function openAuditSink(to: number | string, onError: (err: Error) => void): AuditSink {
  const out = destination({ dest: to, sync: false, minLength: FLUSH_AT_BYTES, mkdir: true, append: true })
  out.on('error', onError)
  let isFlushPlanned = false
  let isClosed = false
  const flush = () => {
    isFlushPlanned = false
    if (!isClosed) out.flush()
  }
  return {
    write: record => {
      out.write(`${JSON.stringify(record)}\n`)
      if (isFlushPlanned) return
      isFlushPlanned = true
      setTimeout(flush, FLUSH_EVERY_MS).unref()
    },
    close: () =>
      new Promise(resolve => {
        out.once('close', () => resolve())
        out.once('error', () => resolve())
        isClosed = true
        out.end()
      })
  }
}
