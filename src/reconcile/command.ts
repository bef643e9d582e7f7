import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { reportFile } from '../config/report.ts'
import { printable } from '../printable.ts'
import type { Ms } from '../time.ts'
import { DURATION_PATTERN, readDurationMs } from '../units.ts'
import { compare } from './compare.ts'
import { askEngines, type EngineSums, PrometheusError } from './prometheus.ts'
import { reportCsv, reportJson, reportTable } from './report.ts'
import { type Ledger, readLedger } from './sums.ts'

const HELP = `Usage: tollgate usage reconcile --prometheus URL --from TIME --to TIME (--config FILE | --dir DIR) [OPTIONS]

Compares the tokens of the ledger with those that the engines have counted themselves, model by model: vLLM's
'vllm:prompt_tokens_total' and 'vllm:generation_tokens_total', SGLang's 'sglang:prompt_tokens_total' and
'sglang:generation_tokens_total', as Prometheus has them. Says what went past the gate, or was not counted.

A call belongs to the moment in which it ended, the engines' tokens to when they were made, and Prometheus looks every few
seconds: choose times at which little is running, or long ones. Every series counts: where several Prometheus look at the same
engines, choose one with --select.

Options:
  --prometheus URL   such as http://prometheus:9090; with a path where it has one. A token is read from
                     TOLLGATE_PROMETHEUS_TOKEN, and sent over https or to this machine alone
  --from, --to TIME  2026-11-01 (UTC), or 2026-11-01T08:00:00+08:00; up to --to, without it; now unless given
  --config, --dir    where the ledger is: a configuration with 'metering.dir', or the folder itself
  --map NAME=NAME    what the engines' counters call a model of the ledger: an adapter's base model, the first of several
                     served names; may be given several times
  --select MATCHERS  only these series, as in PromQL: 'job="vllm",cluster="a"'
  --threshold NUMBER drift in percent that is accepted, default 1
  --ca FILE          certificates to trust instead of the usual ones
  --timeout TIME     limit of each question, default 30s
  --format           table (default), csv or json

Exit codes: 0 no model is further apart than the threshold, 1 at least one is, 2 wrong usage, or the ledger or Prometheus
cannot be read.
`

interface Out {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  readonly env: NodeJS.ProcessEnv
}

const REPORTS = { table: reportTable, csv: reportCsv, json: reportJson } as const
const isFormat = (text: string): text is keyof typeof REPORTS => Object.hasOwn(REPORTS, text)

/** What is wrong with how it is called. */
class UsageError extends Error {}

/** The ledger cannot be read. */
class ReadError extends Error {}

/** Runs `tollgate usage reconcile`. @returns 0 when all is within the threshold, 1 when not, 2 when that cannot be told */
export async function runReconcile(argv: readonly string[], out: Out): Promise<0 | 1 | 2> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      prometheus: { type: 'string' },
      from: { type: 'string' },
      to: { type: 'string' },
      config: { type: 'string', short: 'c' },
      dir: { type: 'string' },
      map: { type: 'string', multiple: true, default: [] },
      select: { type: 'string', default: '' },
      threshold: { type: 'string', default: '1' },
      ca: { type: 'string' },
      timeout: { type: 'string', default: '30s' },
      format: { type: 'string', default: 'table' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help) {
    out.stdout.write(HELP)
    return 0
  }
  try {
    const { format } = values
    if (!isFormat(format)) throw new UsageError('--format is table, csv or json')
    const token = out.env.TOLLGATE_PROMETHEUS_TOKEN || null
    const url = readUrl(values.prometheus, token)
    const time = {
      fromMs: readTime('--from', values.from),
      toMs: readTime('--to', values.to ?? new Date().toISOString())
    }
    if (time.fromMs >= time.toMs) throw new UsageError('--from has to be before --to')
    const names = readNames(values.map)
    const thresholdPercent = readThreshold(values.threshold)
    const timeoutMs = DURATION_PATTERN.test(values.timeout) ? readDurationMs(values.timeout) : 0
    if (timeoutMs < 1) throw new UsageError('--timeout is a duration such as 30s')
    const ca = values.ca === undefined ? null : readCa(values.ca)
    const dir = readDir(values, out)
    if (dir === null) return 2

    const ledger = ledgerIn(dir, time)
    const engines = await askEngines({ url, token, ca, timeoutMs }, { ...time, select: values.select })
    demandCounters(engines, values.select)
    const comparison = compare(ledger, engines, { names, thresholdPercent })
    const text = (ms: Ms) => new Date(ms).toISOString()
    const report = { ...comparison, from: text(time.fromMs), to: text(time.toMs), thresholdPercent }
    out.stdout.write(REPORTS[format](report))
    if (format === 'csv') for (const note of comparison.notes) out.stderr.write(`note: ${printable(note)}\n`)
    return comparison.isOver ? 1 : 0
  } catch (err) {
    if (!(err instanceof UsageError || err instanceof ReadError || err instanceof PrometheusError)) throw err
    const where = err instanceof PrometheusError ? 'Prometheus: ' : ''
    out.stderr.write(
      `tollgate usage reconcile: ${where}${printable(err.message)}.\n${err instanceof UsageError ? HELP : ''}`
    )
    return 2
  }
}

const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

function readUrl(text: string | undefined, token: string | null): string {
  if (text === undefined) throw new UsageError('--prometheus URL is missing')
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw new UsageError('--prometheus is an http or https URL without a query')
  if (url.username !== '' || url.password !== '')
    throw new UsageError('--prometheus holds no secret: give a token in TOLLGATE_PROMETHEUS_TOKEN')
  if (token !== null && url.protocol === 'http:' && !LOOPBACK.test(url.hostname))
    throw new UsageError('TOLLGATE_PROMETHEUS_TOKEN is not sent over http to another machine')
  return text
}

const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/

function readTime(name: string, text: string | undefined): Ms {
  if (text === undefined) throw new UsageError(`${name} TIME is missing`)
  const ms = TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new UsageError(`${name} is a time such as 2026-11-01 or 2026-11-01T08:00:00Z`)
  return ms
}

function readNames(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    pairs.map(pair => {
      const [from = '', to = '', ...more] = pair.split('=')
      if (from === '' || to === '' || more.length > 0) throw new UsageError('--map is NAME=NAME')
      return [from, to]
    })
  )
}

function readThreshold(text: string): number {
  const percent = /^\d{1,5}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(percent)) throw new UsageError('--threshold is a number of percent such as 1 or 0.5')
  return percent
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (err) {
    throw new UsageError(`--ca ${file} cannot be read (${codeOf(err)})`)
  }
}

/** @returns null when the configuration is faulty, which has been told */
function readDir({ config, dir }: { config?: string; dir?: string }, out: Out): string | null {
  if ((config === undefined) === (dir === undefined))
    throw new UsageError('either --config FILE or --dir DIR is needed')
  if (config === undefined) return dir ?? null
  const loaded = loadConfig(config, out.env)
  out.stderr.write(reportFile(config, loaded))
  if (!loaded.ok) return null
  if (loaded.config.charge === null) throw new UsageError(`${config} has no 'metering': there is no ledger`)
  return loaded.config.charge.dir
}

function ledgerIn(dir: string, time: { fromMs: Ms; toMs: Ms }): Ledger {
  try {
    return readLedger(dir, time)
  } catch (err) {
    throw new ReadError(`the ledger in ${dir} cannot be read (${codeOf(err)})`)
  }
}

/** Nothing to compare with is no agreement. */
function demandCounters({ series }: EngineSums, select: string): void {
  if (series > 0) return
  throw new PrometheusError(
    `it has no tokens of vLLM or SGLang in this time${select === '' ? '' : ` with ${select}`}; does it look at the engines?`
  )
}

function codeOf(err: unknown): string {
  return err instanceof Error && 'code' in err ? String(err.code) : String(err)
}
