import type { UsageMode } from '../engines/usage.ts'
import type { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { Members } from '../json-members.ts'
import type { Ms, NowMs } from '../time.ts'
import { forceUsage } from './stream-usage.ts'

/** So long an engine that refused to be asked is not asked again. */
const REMEMBER_MS: Ms = 10 * 60_000

/** Teams whose calls an engine has refused, that are remembered for it. */
const MAX_TEAMS = 16

/** What the streams of one team may be asked for at one engine. */
interface Refused {
  readonly mode: 'final' | 'native'
  readonly untilMs: Ms
}

/** Remembers engines that refuse to be asked for the usage of streams. */
export interface Reluctant {
  /**
   * How far a target of a pool may be asked: by what it has refused of the same team, or of two others.
   * @param team null where it is not known; then what single teams have met does not count
   */
  modeOf(origin: string, mode: UsageMode, team: string | null): UsageMode
  /**
   * Takes back what the gate has asked for of an engine that refused the call because of it, so that the call can be sent
   * once more: writes `outgoing` and `reporting` anew.
   *
   * @returns what to call when the engine has taken the call as it is now, or null when it was not refused for that.
   *   Only then it is remembered, and for its team: a caller can make an engine refuse a call once, by an address in it that
   *   answers later, and must not have the calls of others go unmetered by that.
   */
  retreat(exchange: Exchange, error: GateError): (() => void) | null
}

/** Remembers one engine for each target of the configuration at most. */
export function createReluctant(nowMs: NowMs): Reluctant {
  const known = new Map<string, Map<string, Refused>>()

  return {
    modeOf(origin, mode, team) {
      const byTeam = known.get(origin)
      if (byTeam === undefined) return mode
      const now = nowMs()
      for (const [name, { untilMs }] of byTeam) if (untilMs <= now) byTeam.delete(name)
      if (byTeam.size === 0) known.delete(origin)
      const own = team === null ? undefined : byTeam.get(team)
      const found = own?.mode ?? (byTeam.size < 2 ? null : agreed(byTeam.values()))
      if (found === null) return mode
      return mode === 'exact' || (mode === 'final' && found === 'native') ? found : mode
    },
    retreat(exchange, error) {
      const { reporting, outgoing, target } = exchange
      if (reporting?.own === undefined || outgoing === null) return null
      const refused = whatIsRefused(error)
      if (refused === null) return null
      const mode = reporting.mode === 'exact' && refused === 'continuous' ? 'final' : 'native'
      const { own, choices, prompts } = reporting
      const forced = forceUsage({ mode, target, own, counts: { choices, prompts } })
      exchange.outgoing = { ...outgoing, bytes: replaceOptions(outgoing.bytes, forced.text) }
      exchange.reporting = forced.reporting
      return () => {
        const team = exchange.identity.team ?? ''
        const byTeam = known.get(target.origin) ?? new Map<string, Refused>()
        if (byTeam.size >= MAX_TEAMS) return
        known.set(target.origin, byTeam.set(team, { mode, untilMs: nowMs() + REMEMBER_MS }))
      }
    }
  }
}

/** What all of several teams may be asked for. */
function agreed(refused: Iterable<Refused>): 'final' | 'native' {
  for (const { mode } of refused) if (mode === 'final') return 'final'
  return 'native'
}

/** Whether an engine's 400 or 422 names the options of the stream, and which of them. */
function whatIsRefused(error: GateError): 'continuous' | 'all' | null {
  if (error.code !== 'TOLLGATE_FORWARD_REJECTED') return null
  const { status, message, param } = error.told
  if (status !== 400 && status !== 422) return null
  const words = `${param ?? ''} ${message}`
  if (/include_usage/.test(words)) return 'all'
  if (/continuous_usage_stats/.test(words)) return 'continuous'
  return /stream_options/.test(words) ? 'all' : null
}

/** Writes other options into a body that has some. */
function replaceOptions(body: Buffer, text: string | null): Buffer {
  const members = new Members()
  members.open(body, body.indexOf('{'))
  while (members.next()) {
    if (members.name() !== 'stream_options') continue
    const { nameAt, start, end, endBefore } = members
    if (text !== null) return Buffer.concat([body.subarray(0, start), Buffer.from(text), body.subarray(end)])
    // The gate has put it at the end, behind a member that was there: a body names its model.
    return Buffer.concat([body.subarray(0, endBefore === -1 ? nameAt : endBefore), body.subarray(end)])
  }
  return body
}
