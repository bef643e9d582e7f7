import { destination } from 'pino'
import type { AuditRecord } from './record.ts'

/** Takes audit records and writes each as one line of JSON. */
export interface AuditSink {
  write(record: AuditRecord): void
  /** Writes what is still held. Called after the last exchange has settled. */
  close(): Promise<void>
}

/** Lines wait for company so long, or until so many characters are together: a write of each alone costs more than the call. */
const GATHER_MS = 20
const GATHER_CHARS = 32 * 1024

/**
 * Opens the audit log: appends, never rewrites; makes the folder when it is missing. Lines are handed to the kernel in
 * order, together with those of the next twenty milliseconds; a kill -9 loses no more than those.
 *
 * @param to file descriptor (1 is stdout) or path
 * @param onError told of every write that failed; the lines stay queued and are tried again
 */
export function openAuditSink(to: number | string, onError: (err: Error) => void): AuditSink {
  const out = destination({ dest: to, sync: false, mkdir: true, append: true })
  out.on('error', onError)
  // Gathered here and not by the destination, which measures all that it holds anew with every line.
  let gathered = ''
  let isPlanned = false
  let isClosed = false
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
  return {
    write: record => {
      gathered += `${JSON.stringify(record)}\n`
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
        out.end()
      })
  }
}
