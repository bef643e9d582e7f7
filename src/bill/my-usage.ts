import type { Ms } from '../time.ts'
import { monthOf, nextMonth, type Zone } from './calendar.ts'
import { type Column, type Key, QUARTER_MS, type Quarter } from './records.ts'
import type { KeySums, Rollup } from './rollup.ts'

/** Whose usage is asked for. */
export type Who = Pick<Key, 'iss' | 'sub' | 'team'>

/** What one subject has used as a member of one team: the answer to `GET /v1/me/usage`. null is not known, 0 is 0. */
export interface MyUsage {
  readonly object: 'usage'
  /** RFC 3339. Up to then; calls that ended in the tenth of a second before may be missing, and calls that run are. */
  readonly as_of: string
  readonly time_zone: string
  readonly team: string
  readonly sub: string
  readonly today: Stretch
  readonly month: Stretch
}

/** A day or a month, by model. */
export interface Stretch {
  readonly from: string
  /** When it ends. */
  readonly to: string
  readonly total: Used
  readonly models: readonly (Used & { readonly model: string | null })[]
}

/** What some calls have used. */
export interface Used {
  readonly requests: number
  readonly errors: number
  readonly input_tokens: number | null
  readonly cached_input_tokens: number | null
  readonly output_tokens: number | null
  readonly reasoning_tokens: number | null
  readonly audio_seconds: number | null
  /** Requests of which the gate has guessed a number. */
  readonly estimated_requests: number
  /** Requests that an engine took, and of which nobody has said anything. */
  readonly untold_requests: number
}

/** Looks up what a subject has used today and this month. @param asOfMs up to when the sums go */
export function myUsage(rollup: Pick<Rollup, 'ofSubject'>, who: Who, zone: Zone, asOfMs: Ms): MyUsage {
  const today = zone.dayAt(asOfMs)
  const between = (from: Quarter, to: Quarter): Stretch => ({
    from: textOf(from),
    to: textOf(to),
    ...usedOf(rollup.ofSubject(who, from, to))
  })
  return {
    object: 'usage',
    as_of: new Date(asOfMs).toISOString(),
    time_zone: zone.name,
    team: who.team,
    sub: who.sub,
    today: between(zone.startOf(today), zone.startOf(today + 1)),
    month: between(zone.startOf(monthOf(today)), zone.startOf(nextMonth(today)))
  }
}

function usedOf(all: readonly KeySums[]): Pick<Stretch, 'total' | 'models'> {
  const byModel = new Map<string, KeySums[]>()
  for (const of of all) byModel.set(of.model, [...(byModel.get(of.model) ?? []), of])
  const models = [...byModel]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([model, some]) => ({ model: model === '' ? null : model, ...added(some) }))
  return { total: added(all), models }
}

function added(all: readonly KeySums[]): Used {
  const sum = (column: Column) => Number(all.reduce((total, { sums }) => total + sums[column], 0n))
  const known = (column: Column, told: Column) => (sum(told) === 0 ? null : sum(column))
  const soundMs = known('audio_ms', 'audio_told')
  const estimated = all.filter(({ source }) => source === 'estimated')
  return {
    requests: sum('requests'),
    errors: sum('errors'),
    input_tokens: known('input', 'input_told'),
    cached_input_tokens: known('cached', 'cached_told'),
    output_tokens: known('output', 'output_told'),
    reasoning_tokens: known('reasoning', 'reasoning_told'),
    audio_seconds: soundMs === null ? null : soundMs / 1000,
    estimated_requests: Number(estimated.reduce((total, { sums }) => total + sums.requests, 0n)),
    untold_requests: sum('untold')
  }
}

function textOf(quarter: Quarter): string {
  return new Date(quarter * QUARTER_MS).toISOString()
}
