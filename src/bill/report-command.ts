import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { suggest } from '../config/faults.ts'
import { loadConfig } from '../config/load.ts'
import { loadPrices } from '../config/prices.ts'
import { reportText } from '../config/report.ts'
import { segmentFile } from '../segments/format.ts'
import type { Ms } from '../time.ts'
import { type Day, dayText, monthOf, readDays, Zone, zoneNames } from './calendar.ts'
import { formatCsv, formatJson, formatTable } from './formats.ts'
import { MAX_DECIMALS } from './money.ts'
import { PriceList } from './price-list.ts'
import { DIMENSIONS, type Dimension, report } from './report.ts'
import { type Progress, rollAll } from './roll.ts'
import { type FoundDamage, ROLLUP_FILE, Rollup, RollupError } from './rollup.ts'

const HELP = `Usage: tollgate usage report --dir DIR [OPTIONS]
       tollgate usage report --config FILE [OPTIONS]

Adds up the usage of a ledger, and what it costs. Gates may go on writing: what they have written so far is counted. What was
added up before is kept in DIR/${ROLLUP_FILE}, which may be deleted at any time; without the right to write it, everything is
read anew.

Options:
  --dir DIR        the folder, as in 'metering.dir'
  --config FILE    takes the folder, the time zone and the prices from a configuration
  --from DAY       the first day, such as 2026-11-01, or 2026-11 for its first; default: the first of this month
  --to DAY         the last day, included, or 2026-11 for its last; default: today
  --tz ZONE        in which days begin, such as Asia/Shanghai; default: 'metering.time_zone', or UTC
  --by LIST        ${Object.keys(DIMENSIONS).join(', ')}; several with commas, '' for the total alone; default: team,model
  --prices FILE    a price file; default: 'metering.prices', or none
  --decimals N     digits of money behind the point, 0 to ${MAX_DECIMALS}; default 6
  --format FORMAT  table (default), csv or json

A call belongs to the day on which it ended. 'errors' are calls that ended otherwise than completed or by their caller;
'estimated' is the share of tokens in records in which the gate has guessed a number; 'not told' are calls of which nobody
has said what they used. "–" (null, in CSV nothing) is not known, 0 is said to be 0. Money is exact; rounded is what is
shown, and the rows add up to the total. What has no price is said to have none.

Exit codes: 0 fine, 1 lines of the ledger could not be read (near the days of the report), 2 wrong usage, a faulty price file
or configuration, or a folder that cannot be read.
`

interface Streams {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/** Something that was asked for wrongly: told, with exit code 2. */
class Wrong extends Error {}

/** Runs `tollgate usage report`. @returns 0, 1 when lines could not be read, 2 for what cannot be done */
export function runReport(argv: readonly string[], streams: Streams, nowMs: Ms = Date.now()): 0 | 1 | 2 {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      dir: { type: 'string' },
      config: { type: 'string', short: 'c' },
      from: { type: 'string' },
      to: { type: 'string' },
      tz: { type: 'string' },
      by: { type: 'string', default: 'team,model' },
      prices: { type: 'string' },
      decimals: { type: 'string', default: '6' },
      format: { type: 'string', default: 'table' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    streams.stdout.write(HELP)
    return 0
  }
  try {
    return run(values, streams, nowMs)
  } catch (err) {
    if (!(err instanceof Wrong)) throw err
    streams.stderr.write(err.message === '' ? '' : `tollgate usage report: ${err.message}\n`)
    return 2
  }
}

interface Values {
  readonly [name: string]: string | boolean | undefined
  readonly dir?: string
  readonly config?: string
  readonly from?: string
  readonly to?: string
  readonly tz?: string
  readonly by: string
  readonly prices?: string
  readonly decimals: string
  readonly format: string
}

function run(values: Values, streams: Streams, nowMs: Ms): 0 | 1 {
  const { stdout, stderr } = streams
  const { format } = values
  if (format !== 'table' && format !== 'csv' && format !== 'json')
    throw new Wrong(`--format is table, csv or json, not "${format}".`)
  const decimals = /^\d$/.test(values.decimals) ? Number(values.decimals) : -1
  if (decimals < 0 || decimals > MAX_DECIMALS) throw new Wrong(`--decimals is a number from 0 to ${MAX_DECIMALS}.`)
  const by = readBy(values.by)
  const settings = settingsOf(values, stderr)
  const zone = zoneOf(settings.timeZone)
  const { from, to } = periodOf(values, zone.dayAt(nowMs))
  const prices = settings.prices === null ? null : pricesOf(settings.prices, stderr)
  const { dir } = settings
  assertFolder(dir)
  const rollup = openRollup(dir, stderr)
  try {
    rollUp(dir, rollup, stderr)
    const [start, end] = [zone.startOf(from), zone.startOf(to + 1)]
    const init = {
      report: report({ rollup, from, to, zone, by, prices }),
      currency: prices?.currency ?? null,
      decimals
    }
    const damages = rollup.damages(start - 1, end, MAX_TOLD)
    const facts = {
      dir,
      from: dayText(from),
      to: dayText(to),
      time_zone: zone.name,
      by,
      as_of: new Date(nowMs).toISOString(),
      damaged: { lines: damages.count, first: damages.first.map(told => ({ ...placeOf(told), kind: told.kind })) }
    }
    const write = { table: formatTable, csv: formatCsv, json: (of: typeof init) => formatJson(of, facts) }
    if (format === 'table') stdout.write(`${dir}, ${facts.from} to ${facts.to} (${zone.name})\n\n`)
    stdout.write(write[format](init))
    tell(damages, stderr)
    return damages.count === 0 ? 0 : 1
  } finally {
    rollup.close()
  }
}

function readBy(text: string): readonly Dimension[] {
  const known = Object.keys(DIMENSIONS)
  const names = text.split(',').map(name => name.trim())
  const by = text.trim() === '' ? [] : names
  for (const name of by) {
    if (!known.includes(name))
      throw new Wrong(`--by knows no "${name}"; ${suggest(name, known) ?? `it knows ${known.join(', ')}`}.`)
  }
  if (new Set(by).size < by.length) throw new Wrong('--by names something twice.')
  return by as Dimension[]
}

interface Settings {
  readonly dir: string
  readonly timeZone: string
  readonly prices: string | null
}

function settingsOf({ dir, config: file, tz, prices }: Values, stderr: Streams['stderr']): Settings {
  if (file === undefined) {
    if (dir === undefined) throw new Wrong(`--dir DIR or --config FILE is missing.\n${HELP}`)
    return { dir, timeZone: tz ?? 'UTC', prices: prices ?? null }
  }
  const loaded = loadConfig(file, process.env)
  if (!loaded.ok) {
    stderr.write(reportText(loaded, { color: false }))
    throw new Wrong(`${file} has faults.`)
  }
  const { charge, bill } = loaded.config
  const place = dir ?? charge?.dir
  if (place === undefined) throw new Wrong(`${file} has no 'metering.dir': that gate writes no ledger.`)
  return { dir: place, timeZone: tz ?? bill.timeZone, prices: prices ?? bill.prices }
}

function zoneOf(name: string): Zone {
  try {
    return new Zone(name)
  } catch {
    const hint = suggest(name, zoneNames()) ?? 'names are such as Europe/Berlin'
    throw new Wrong(`there is no time zone "${name}"; ${hint}.`)
  }
}

/** More days than anybody bills at once. */
const MAX_DAYS = 3_700

function periodOf({ from, to }: Values, today: Day): { readonly from: Day; readonly to: Day } {
  const daysOf = (name: string, text: string) => {
    const days = readDays(text)
    if (days === null) throw new Wrong(`--${name} ${text} is no day; days are such as 2026-11-01, months 2026-11.`)
    return days
  }
  const last = to === undefined ? today : daysOf('to', to).last
  const first = from === undefined ? monthOf(to === undefined ? today : last) : daysOf('from', from).first
  if (first > last)
    throw new Wrong(`the first day, ${dayText(first)}, comes after the last, ${dayText(last)}. --to is included.`)
  if (last - first > MAX_DAYS) throw new Wrong(`from ${dayText(first)} to ${dayText(last)} are more than ten years.`)
  return { from: first, to: last }
}

function pricesOf(file: string, stderr: Streams['stderr']): PriceList {
  const result = loadPrices(resolve(file))
  stderr.write(reportText({ ...result, secrets: [] }, { color: false }))
  if (!result.ok) throw new Wrong(`${file} has faults: nothing was reported.`)
  return new PriceList(result.prices)
}

function assertFolder(dir: string): void {
  try {
    readdirSync(dir)
  } catch (err) {
    const code = err instanceof Error && 'code' in err ? err.code : String(err)
    const words: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such folder',
      ENOTDIR: 'it is no folder',
      EACCES: 'you may not read it'
    }
    throw new Wrong(`${dir}: ${words[String(code)] ?? `it cannot be read (${code})`}.`)
  }
}

function openRollup(dir: string, stderr: Streams['stderr']): Rollup {
  try {
    return new Rollup(join(dir, ROLLUP_FILE))
  } catch (err) {
    if (!(err instanceof RollupError)) throw err
    if (!err.isReadOnly) throw new Wrong(`${err.message}. It may be deleted: the segments say all that is in it.`)
    stderr.write(`tollgate usage report: ${dir} takes no files from you; everything is read anew.\n`)
    return new Rollup(':memory:')
  }
}

const TOLD_EVERY_MS: Ms = 200

function rollUp(dir: string, rollup: Rollup, stderr: Streams['stderr']): void {
  let toldAtMs = Date.now()
  let hasTold = false
  const onProgress = ({ doneBytes, allBytes, records }: Progress) => {
    if (stderr.isTTY !== true || Date.now() - toldAtMs < TOLD_EVERY_MS) return
    toldAtMs = Date.now()
    hasTold = true
    const percent = allBytes === 0 ? 100 : Math.min(100, Math.floor((doneBytes / allBytes) * 100))
    stderr.write(`\r\u001b[Kreading the ledger: ${percent} %, ${records} new records`)
  }
  try {
    rollAll(dir, rollup, onProgress)
  } catch (err) {
    const why = err instanceof Error ? err.message : String(err)
    throw new Wrong(`the ledger cannot be added up (${why}). What was added so far is kept.`)
  } finally {
    if (hasTold) stderr.write('\r\u001b[K')
  }
}

const MAX_TOLD = 20

const DAMAGES: Readonly<Record<FoundDamage['kind'], string>> = {
  changed: 'not what was written, and not counted',
  torn: 'without an end, and not counted',
  behind: 'behind the seal, and not counted',
  senseless: 'with numbers that make no sense, and not counted',
  unproven: 'counted, but the check before it is gone, so that nothing proves it'
}

function placeOf({ instance, boot, number, line, lines }: FoundDamage): {
  readonly file: string
  readonly line: number
  readonly lines: number
} {
  return { file: segmentFile({ instance, boot, number, isOpen: false }), line, lines }
}

function tell({ count, first }: { count: number; first: readonly FoundDamage[] }, stderr: Streams['stderr']): void {
  if (count === 0) return
  for (const damage of first) {
    const { file, line, lines } = placeOf(damage)
    const where = lines === 1 ? `line ${line}` : `lines ${line} to ${line + lines - 1}`
    stderr.write(`${file}: ${where}: ${DAMAGES[damage.kind]}\n`)
  }
  const left = count - first.reduce((sum, { lines }) => sum + lines, 0)
  if (left > 0) stderr.write(`… and ${left} more\n`)
  stderr.write(
    `${count} line${count === 1 ? '' : 's'} could not be read as written; 'tollgate usage verify' tells more.\n`
  )
}
