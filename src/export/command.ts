import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { reportFile } from '../config/report.ts'
import { printable } from '../printable.ts'
import type { Ms } from '../time.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import { sinkFiles } from './cursor.ts'
import { GaveUp } from './delivery.ts'
import type { SinkOptions } from './options.ts'
import { createPostgresSink } from './postgres-sink.ts'
import { createTableSql } from './postgres-table.ts'
import { ship } from './shipper.ts'
import { SinkError } from './sink.ts'

const HELP = `Usage: tollgate usage export --config FILE --sink NAME [OPTIONS]

Ships usage to a sink of 'metering.sinks', from where the last export, or a gate, was: whole records that are on the disk, at
least once, in batches. A sink that keeps one record for each 'source' and 'id' has every record exactly once. One process at
a time ships to a sink; gates do it themselves unless the sink says 'by: command'.

Records that the sink refuses for what they say go to 'export-NAME.dead-letters.jsonl' in the folder of the ledger, with the
reason. For anything else a batch is tried again. To ship everything once more, take 'export-NAME.cursor.json' away.

Options:
  --config FILE      the configuration
  --sink NAME        one of metering.sinks
  --follow           go on with what is written, until SIGTERM, and then for up to 10 s with what is there; stand by while
                     another process ships
  --retry-for TIME   without --follow: how long a sink may fail before it is given up, default 1m
  --init             PostgreSQL: make the table, and end
  --sql              PostgreSQL: print the statements that make the table, and end

Exit codes: 0 all that was there is shipped, 1 it is not, or another process ships, 2 wrong usage or a faulty configuration.
`

/** So long what is there is shipped after the signal to stop. */
const DRAIN_MS: Ms = 10_000

interface Out {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly env: NodeJS.ProcessEnv
}

/** Runs `tollgate usage export`. @returns 0 when all is shipped, 1 when it is not, 2 for wrong usage or a faulty configuration */
export async function runExport(argv: readonly string[], out: Out): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string', short: 'c' },
      sink: { type: 'string' },
      follow: { type: 'boolean', default: false },
      'retry-for': { type: 'string', default: '1m' },
      init: { type: 'boolean', default: false },
      sql: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  const wrong = (why: string) => {
    out.stderr.write(`tollgate usage export: ${why}.\n${HELP}`)
    return 2 as const
  }
  if (values.config === undefined) return wrong('--config FILE is missing')
  if (values.sink === undefined) return wrong('--sink NAME is missing')
  if (!DURATION_PATTERN.test(values['retry-for'])) return wrong('--retry-for is a duration such as 30s or 5m')
  if (Number(values.init) + Number(values.sql) + Number(values.follow) > 1)
    return wrong('--follow, --init and --sql exclude each other')

  const loaded = loadConfig(values.config, out.env)
  out.stderr.write(reportFile(values.config, loaded))
  if (!loaded.ok) return 2
  const { charge, sinks } = loaded.config
  if (charge === null) return wrong(`${values.config} has no 'metering': there is no ledger`)
  const options = sinks.find(({ name }) => name === values.sink)
  if (options === undefined) {
    const names = sinks.map(({ name }) => name).join(', ')
    return wrong(
      `no sink is named "${values.sink}" in metering.sinks (there ${names === '' ? 'are none' : `is ${names}`})`
    )
  }
  if (values.init || values.sql) return await prepare(options, values.sql, out)
  if (!existsSync(charge.dir)) {
    out.stderr.write(`tollgate usage export: the folder ${charge.dir} does not exist; no gate has written there yet.\n`)
    return 1
  }
  const patienceMs = values.follow ? Number.POSITIVE_INFINITY : readDurationMs(values['retry-for'])
  return await run({ dir: charge.dir, options, follow: values.follow, patienceMs }, out)
}

async function prepare(options: SinkOptions, isPrinted: boolean, { stdout, stderr }: Out): Promise<0 | 1 | 2> {
  const { name, to, timeoutMs } = options
  if (to.kind !== 'postgres') {
    stderr.write(`tollgate usage export: ${name} is no table in PostgreSQL: there is nothing to make.\n`)
    return 2
  }
  if (isPrinted) {
    stdout.write(createTableSql(to.table))
    return 0
  }
  const sink = createPostgresSink(to, { timeoutMs })
  try {
    await sink.createTable()
    stdout.write(`${name}: the table ${to.table} is there\n`)
    return 0
  } catch (err) {
    if (!(err instanceof SinkError)) throw err
    stderr.write(`tollgate usage export: ${name}: the table ${to.table} cannot be made: ${printable(err.message)}.\n`)
    return 1
  } finally {
    await sink.close()
  }
}

async function run(
  init: { dir: string; options: SinkOptions; follow: boolean; patienceMs: number },
  { stdout, stderr }: Out
): Promise<0 | 1> {
  const { name } = init.options
  const say = (text: string) => stderr.write(`tollgate usage export: ${name}: ${printable(text)}.\n`)
  let [shipped, dead] = [0, 0]
  let fault: string | null = null
  const [stop, drain] = [new AbortController(), new AbortController()]
  const onSignal = () => {
    if (drain.signal.aborted) stop.abort()
    drain.abort()
    setTimeout(() => stop.abort(), DRAIN_MS).unref()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  try {
    const end = await ship({
      ...init,
      nowMs: Date.now,
      random: Math.random,
      stop: stop.signal,
      drain: drain.signal,
      on: {
        standby: () => say('another process ships to it; this one stands by'),
        begun: () => {
          if (init.follow) say('usage is shipped')
        },
        failed: (message, waitMs) => {
          // Of a sink that is away for hours, one line.
          if (fault !== message) say(`${message}; it is tried again, next in ${(waitMs / 1_000).toFixed(1)} s`)
          fault = message
        },
        taken: () => {
          if (fault !== null) say('it takes records again')
          fault = null
        },
        pending: () => {},
        shipped: (count, refused) => {
          shipped += count
          dead += refused
          if (refused > 0 && dead === refused)
            say(`records are refused; they go to ${sinkFiles(init.dir, name).deadLetters}`)
        },
        trouble: say
      }
    })
    if (end === 'busy') say('another process ships to it, a gate perhaps')
    if (end === 'partly') say('not everything could be read')
    stdout.write(`${name}: ${shipped} records shipped, ${dead} refused\n`)
    return end === 'busy' || end === 'partly' ? 1 : 0
  } catch (err) {
    say(err instanceof GaveUp ? `it is given up: ${err.message}` : err instanceof Error ? err.message : String(err))
    stdout.write(`${name}: ${shipped} records shipped, ${dead} refused\n`)
    return 1
  } finally {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, onSignal)
  }
}
