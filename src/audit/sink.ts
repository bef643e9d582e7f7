import { LineWriter, type LineWriterStatus } from '../line-writer.ts'
import { printableJson } from '../printable.ts'
import { openFault } from '../private-files.ts'
import type { AuditRecord } from './record.ts'

/** Takes audit records and writes each as one line of JSON. */
export interface AuditSink {
  write(record: AuditRecord): void
  readonly status: LineWriterStatus
  /** Opens the file that has the name of the log now, when the log was renamed or deleted. It looks by itself too. */
  reopen(): void
  /** Writes what is still held, within two seconds. Called after the last exchange has settled. */
  close(): Promise<void>
}

const GATHER_MS = 20
const MAX_HELD_BYTES = 64 * 1024 * 1024

/** The audit log cannot be opened: nothing may be served that is not written down. */
export class AuditLogError extends Error {
  constructor(file: string, cause: unknown) {
    super(`the audit log ${file} cannot be opened (${openFault(cause)}). Mend it, or change 'audit.to'.`, { cause })
  }
}

/** Who is told when writing fails, once, and when it works again. */
export interface AuditSinkEvents {
  /** The lines stay queued, in order, and are tried again. */
  onFailing(err: Error): void
  /** @param dropped lines that were given up meanwhile */
  onRecovered(dropped: number): void
  /** The file was renamed or deleted: lines go to a new one of its name or, with an error, still to the old one. */
  onReopened(err: Error | null): void
}

/** What operators read of the audit log in theirs. */
export function tellOperator(log: {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}): AuditSinkEvents {
  return {
    onFailing: err => log.error({ err }, 'the audit log cannot be written; its lines are held'),
    onRecovered: dropped => log.warn({ dropped }, 'the audit log is written again'),
    onReopened(err) {
      if (err === null) log.info({}, 'audit log reopened: its file was renamed or deleted')
      else log.error({ err }, 'audit log cannot be reopened; lines go to the renamed or deleted file')
    }
  }
}

/**
 * Opens the audit log: appends, never rewrites; makes the folder when it is missing. Lines are handed to the kernel in
 * order, together with those of the next twenty milliseconds; a kill -9 loses no more than those. No write keeps a call
 * waiting: what is not taken waits in memory, up to 64 MiB, and what is more is dropped and counted.
 *
 * @param to file descriptor (1 is stdout) or path
 * @throws AuditLogError when the file cannot be opened for appending
 */
export function openAuditSink(to: number | string, events: AuditSinkEvents): AuditSink {
  const lines = openLines(to, events)
  return {
    get status() {
      return lines.status
    },
    write: record => lines.write(`${printableJson(JSON.stringify(record))}\n`),
    reopen: () => lines.reopen(),
    close: () => lines.close()
  }
}

function openLines(to: number | string, events: AuditSinkEvents): LineWriter {
  try {
    return new LineWriter(to, { maxHeldBytes: MAX_HELD_BYTES, gatherMs: GATHER_MS, ...events })
  } catch (err) {
    throw new AuditLogError(String(to), err)
  }
}
