import type { LimitsSeen, RevocationsSeen, RunSeen } from '../../src/metrics/surroundings.ts'
import type { Gate } from './world.ts'

/** What a scrape says, read line by line. */
export interface Scrape {
  readonly text: string
  /** Of one series, by its labels in any order; undefined when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
  /** Every series of a name. */
  series(name: string): readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
  /** Of all series whose labels are these and perhaps others. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
}

const META = /^# (HELP|TYPE) ([a-z_][a-z0-9_]*) (.+)$/
const SAMPLE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?)|[+-]Inf|Nan)$/
const LABEL = /([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy
const SUFFIX = /_(bucket|sum|count)$/

/** Reads the text format of Prometheus. @throws Error for a line that is not of it, or a series that stands twice */
export function readScrape(text: string): Scrape {
  const byName = new Map<string, { labels: Record<string, string>; value: number }[]>()
  const types = new Map<string, string>()
  const seen = new Set<string>()
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  for (const line of text.split('\n')) {
    if (line === '') continue
    const meta = META.exec(line)
    if (meta !== null) {
      const [, what, name = '', rest = ''] = meta
      if (what === 'TYPE' && types.has(name)) throw new Error(`two types: ${line}`)
      if (what === 'TYPE') types.set(name, rest)
      continue
    }
    const sample = SAMPLE.exec(line)
    if (sample === null) throw new Error(`no line of the format: ${line}`)
    const [, name = '', labelText = '', value] = sample
    if (!types.has(name) && !types.has(name.replace(SUFFIX, ''))) throw new Error(`no type: ${line}`)
    const labels = readLabels(labelText)
    const key = JSON.stringify([name, Object.entries(labels).sort()])
    if (seen.has(key)) throw new Error(`twice: ${line}`)
    seen.add(key)
    byName.set(name, [...(byName.get(name) ?? []), { labels, value: Number(value) }])
  }
  const series = (name: string) => byName.get(name) ?? []
  const having = (name: string, wanted: Readonly<Record<string, string>>) =>
    series(name).filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value))
  return {
    text,
    series,
    value: (name, labels = {}) =>
      having(name, labels).find(one => Object.keys(one.labels).length === Object.keys(labels).length)?.value,
    sum: (name, labels = {}) => having(name, labels).reduce((sum, { value }) => sum + value, 0)
  }
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const found = LABEL.exec(text)
    if (found === null) throw new Error(`no labels: ${text}`)
    labels[found[1] ?? ''] = (found[2] ?? '').replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))
  }
  return labels
}

/** A gate that runs as it was started. */
export const RUN: RunSeen = {
  isDraining: false,
  adminRefused: {},
  reload: { loadedAtMs: 1_000, hash: 'h', last: null, reloads: 0, failures: 0, pendingRestart: [] },
  logs: { operator: { heldBytes: 0, dropped: 0 }, audit: { heldBytes: 0, dropped: 0 } }
}

/** Connections of callers, some of which were refused. */
export const SOME_CONNECTIONS = {
  open: { handshake: 3, head: 0, request: 1, idle: 0 },
  max: 100,
  refused: { address: 4, total: 0 },
  errors: new Map([['TOLLGATE_ACCEPT_TLS', 2]])
}

/** A gate that limits nothing. */
export const NO_LIMITS: LimitsSeen = { decisions: [], budgetsOf: () => [], leases: 0, store: null }

/** Nothing is revoked. */
export const NO_REVOCATIONS: RevocationsSeen = {
  active: { jti: 0, sub: 0, team: 0, kid: 0 },
  file: null,
  keep: null,
  store: null
}

/** What the metrics of a gate say now. */
export async function scrapeOf({ built }: Pick<Gate, 'built'>, run = RUN): Promise<Scrape> {
  return readScrape((await built.metrics.scrape(run)).text)
}
