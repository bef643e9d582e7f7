import { type Logger, pino } from 'pino'
import { printableJson } from './printable.ts'

/** The operator's log: JSON lines on stderr, apart from the audit lines. */
export function openLog(level = 'info'): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, hooks: { streamWrite: printableJson } },
    pino.destination({ dest: 2, sync: true })
  )
}
