import type { UsageEvent } from '../segments/format.ts'
import type { Ms } from '../time.ts'

/** Sums are kept by the quarter of an hour: the offset of every time zone is a multiple of it. */
export const QUARTER_MS: Ms = 900_000

/** Quarters of an hour since the epoch. */
export type Quarter = number

/**
 * What is counted. `…_told`: how many records say the number at all; none of them: it is not known, which is not 0. Of calls
 * that an engine took: `untold` ones say nothing, `tokenless` ones no tokens, `soundless` ones no sound.
 */
export const COLUMNS = [
  'requests',
  'errors',
  'rejected',
  'untold',
  'tokenless',
  'soundless',
  'input',
  'input_told',
  'cached',
  'cached_told',
  'output',
  'output_told',
  'reasoning',
  'reasoning_told',
  'audio_ms',
  'audio_told'
] as const
/** The name of a sum. */
export type Column = (typeof COLUMNS)[number]
/** The sums of some records. */
export type Sums<N> = Readonly<Record<Column, N>>

/** By what records are told apart, besides their time. An empty text where there is none. */
export const KEY = ['iss', 'sub', 'team', 'model', 'op', 'source'] as const
/** What the records of one sum have in common. */
export type Key = Readonly<Record<(typeof KEY)[number], string>>

/** What one record adds. */
export interface Entry {
  readonly quarter: Quarter
  readonly key: Key
  readonly sums: Sums<number>
}

const SOURCES: ReadonlySet<string> = new Set(['engine_final', 'engine_partial', 'estimated', 'none'])
/** No call has so many tokens or milliseconds of sound. Keeps sums of millions of calls within 64 bits. */
const MAX = 1_000_000_000_000

/**
 * Reads what a record adds to the sums. Its time is when the call ended.
 *
 * A call that no pool took has no model: its caller may have written anything. What was found in a cache is a part of the
 * input, and no more than it. Sound counts in whole milliseconds, each record rounded by itself.
 *
 * @returns null for a record whose numbers make no sense
 */
export function readUsage({ time, data }: UsageEvent): Entry | null {
  const { team, sub, iss, op, pool, outcome, usage } = data
  const quarter = Math.floor(Date.parse(time) / QUARTER_MS)
  const texts = [sub, iss, op, usage?.source]
  if (!Number.isSafeInteger(quarter) || !texts.every(text => typeof text === 'string')) return null
  if (!SOURCES.has(usage.source) || !isCount(usage.requests ?? 1)) return null
  const audioMs = typeof usage.audio_seconds === 'number' ? Math.round(usage.audio_seconds * 1000) : null
  const { input = null, output = null, reasoning_output: reasoning = null, cached_input: cache = null } = usage
  const numbers = [input, output, reasoning, cache, audioMs]
  if (!numbers.every(number => number === null || isCount(number))) return null
  const cached = cache === null || input === null ? null : Math.min(cache, input)
  const requests = usage.requests ?? 1
  const isRejected = outcome === 'rejected'
  const isTokenless = !isRejected && input === null && output === null
  const isSoundless = !isRejected && audioMs === null
  const told = (number: number | null) => (number === null ? 0 : 1)
  return {
    quarter,
    key: {
      iss,
      sub,
      team: team ?? '',
      model: pool === null ? '' : (data.model_served ?? ''),
      op,
      source: usage.source
    },
    sums: {
      requests,
      errors: outcome === 'completed' || outcome === 'client_closed' ? 0 : requests,
      rejected: isRejected ? requests : 0,
      untold: isTokenless && isSoundless ? requests : 0,
      tokenless: isTokenless ? requests : 0,
      soundless: isSoundless ? requests : 0,
      input: input ?? 0,
      input_told: told(input),
      cached: cached ?? 0,
      cached_told: told(cached),
      output: output ?? 0,
      output_told: told(output),
      reasoning: reasoning ?? 0,
      reasoning_told: told(reasoning),
      audio_ms: audioMs ?? 0,
      audio_told: told(audioMs)
    }
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= MAX
}

/** Adds up entries of the same key and quarter. */
export class Batch {
  readonly #keys = new Map<string, { readonly key: Key; readonly quarters: Map<Quarter, Record<Column, number>> }>()

  add({ key, quarter, sums }: Entry): void {
    const { iss, sub, team, model, op, source } = key
    const id = `${iss}\n${sub}\n${team}\n${model}\n${op}\n${source}`
    const known = this.#keys.get(id)
    const { quarters } = known ?? { key, quarters: new Map<Quarter, Record<Column, number>>() }
    if (known === undefined) this.#keys.set(id, { key, quarters })
    const before = quarters.get(quarter)
    if (before === undefined) quarters.set(quarter, { ...sums })
    else for (const column of COLUMNS) before[column] += sums[column]
  }

  /** By key. */
  [Symbol.iterator](): Iterator<{ readonly key: Key; readonly quarters: ReadonlyMap<Quarter, Sums<number>> }> {
    return this.#keys.values()
  }
}
