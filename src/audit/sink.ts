import { destination } from 'pino'
import type { AuditRecord } from './record.ts'

/** Takes audit records and writes each as one line of JSON. */
export interface AuditSink {
  write(record: AuditRecord): void
  /** Writes what is still held. Called after the last exchange has settled. */
  close(): Promise<void>
}

/**
 * Opens the audit log: appends, never rewrites; makes the folder when it is missing.
 * Lines are handed to the kernel as soon as the one before is written, in order.
 *
 * @param to file descriptor (1 is stdout) or path
 * @param onError told of every write that failed; the line stays queued and is tried again
 */
export function openAuditSink(to: number | string, onError: (err: Error) => void): AuditSink {
  const out = destination({ dest: to, sync: false, mkdir: true, append: true })
  out.on('error', onError)
  return {
    write: record => {
      out.write(`${JSON.stringify(record)}\n`)
    },
    close: () =>
      new Promise(resolve => {
        out.once('close', () => resolve())
        out.once('error', () => resolve())
        out.end()
      })
  }
}
