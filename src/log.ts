import { type Logger, pino } from 'pino'
import { LineWriter, type LineWriterStatus } from './line-writer.ts'
import { printableJson } from './printable.ts'

/** The log for operators: JSON lines, apart from the audit lines. */
export interface OperatorLog {
  readonly log: Logger
  readonly status: () => LineWriterStatus
  /** Writes what is held, within two seconds. */
  close(): Promise<void>
}

const STDERR = 2
const MAX_HELD_BYTES = 4 * 1024 * 1024

/**
 * Opens the log on stderr. No line keeps its writer waiting: when nobody reads, lines wait in memory, up to 4 MiB; what is
 * more is dropped, and counted in a line when writing works again.
 */
export function openLog(): OperatorLog {
  const lines = new LineWriter(STDERR, {
    maxHeldBytes: MAX_HELD_BYTES,
    gatherMs: 0,
    // There is nowhere to say it; /readyz and /metrics show it.
    onFailing() {},
    onRecovered(dropped) {
      if (dropped > 0) log.warn({ dropped }, 'log lines were dropped: stderr could not be written')
    }
  })
  const log = loggerTo(lines)
  return { log, status: () => lines.status, close: () => lines.close() }
}

/** A log that says nothing. */
export function silentLog(): Logger {
  return pino({ level: 'silent' }, { write() {} })
}

function loggerTo(stream: { write(line: string): void }): Logger {
  return pino(
    { level: 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime, hooks: { streamWrite: printableJson } },
    stream
  )
}
