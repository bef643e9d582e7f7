import { type Logger, pino } from 'pino'

/** The operator's log: JSON lines on stderr, apart from the audit lines. */
export function openLog(level = 'info'): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true })
  )
}
