import { readFileSync } from 'node:fs'
import type { Exchange } from '../exchange.ts'
import type { Ms } from '../time.ts'
import { Families } from './families.ts'
import { OTHER } from './family.ts'
import { createReader } from './gauges.ts'
import { createLedgerCounter, type LedgerCounter } from './ledger.ts'
import { Names, NONE } from './names.ts'
import { createObserver } from './observe.ts'
import { createSubjects } from './subjects.ts'
import type { RunSeen, Surroundings } from './surroundings.ts'
import { createTimings, type Timings } from './timings.ts'

/** More teams, or models, than these are `other`. */
const MAX_TEAMS = 200
const MAX_MODELS = 500

/** What is counted, and how it is read. */
export interface Metrics {
  /** A step of the way out. */
  observe(exchange: Exchange): void
  /** A call has waited so long for its limits. @param backend where they are: `memory` or `redis` */
  limited(backend: string, tookMs: Ms): void
  /** A rule has told of suspicious behaviour. */
  suspected(kind: string, action: string): void
  /** Told how long things took. */
  readonly timings: Timings
  /** Told of what befalls the ledger. */
  readonly ledger: LedgerCounter
  /** Everything, as it is now. */
  scrape(run: RunSeen): Promise<Scraped>
  /** Adds what is known of the process: event loop, heap, collections, descriptors. Once in a process. */
  watchProcess(): void
}

/** An answer to Prometheus. */
export interface Scraped {
  readonly type: string
  readonly text: string
}

/** Makes the metrics of a gate. */
export function createMetrics(around: Surroundings): Metrics {
  const families = new Families()
  const teams = new Names({ isKnown: name => name !== '*' && around.isTeam(name), max: MAX_TEAMS })
  const models = new Names({ isKnown: isServed, max: MAX_MODELS })
  const limiter = families.of('tollgate_limiter_seconds')
  const suspicious = families.of('tollgate_suspicious_events_total')
  const { nowMs, options, onCrossing } = around
  const subjects = createSubjects({ families, teams, nowMs, options, onCrossing })
  const issuers = new Map<string, string>()
  const read = createReader(families, around, { teams, models })
  families.of('tollgate_build_info').at(version(), process.version).value = 1

  function isServed(model: string): boolean {
    for (const pool of around.pools()) if (pool.serves(model) === true) return true
    return false
  }

  /** Only issuers whose tokens were good are asked for. */
  function issuerOf(iss: string): string {
    const known = issuers.get(iss)
    if (known !== undefined) return known
    for (const { issuer, name } of around.issuers()) issuers.set(issuer, name)
    return issuers.get(iss) ?? OTHER
  }

  /** What a reload, or an engine, has changed since. */
  function refresh(): void {
    teams.refresh()
    models.refresh()
    issuers.clear()
  }

  /** Whether a series is of something that is still there. */
  function isKept(label: string, value: string): boolean {
    if (label === 'team') return teams.isLabel(value)
    if (label === 'model') return models.isLabel(value)
    if ((label !== 'pool' && label !== 'target') || value === NONE || value === OTHER) return true
    for (const { name, targets } of around.pools()) {
      if (label === 'pool' ? name === value : targets.some(({ target }) => target.origin === value)) return true
    }
    return false
  }

  const count = createObserver(families, { teams, models, issuerOf })

  return {
    observe(exchange) {
      count(exchange)
      subjects.observe(exchange)
    },
    timings: createTimings(families),
    ledger: createLedgerCounter(families, models),
    limited: (backend, tookMs) => limiter.at(backend).observe(tookMs / 1000),
    suspected: (kind, action) => {
      suspicious.at(kind, action).value++
    },
    async scrape(run) {
      refresh()
      read(run)
      subjects.read()
      const text = families.text()
      // After the last values were told.
      families.retain(isKept)
      return { type: families.contentType, text: await text }
    },
    watchProcess: () => families.watchProcess()
  }
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
