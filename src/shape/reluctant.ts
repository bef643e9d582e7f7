import type { UsageMode } from '../engines/usage.ts'
import type { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { Members } from '../json-members.ts'
import type { Ms, NowMs } from '../time.ts'
import { forceUsage } from './stream-usage.ts'

/** So long an engine that refused to be asked is not asked again. */
const REMEMBER_MS: Ms = 10 * 60_000

/** Remembers engines that refuse to be asked for the usage of streams. */
export interface Reluctant {
  /** How far a target of a pool may be asked. */
  modeOf(origin: string, mode: UsageMode): UsageMode
  /**
   * Takes back what the gate has asked for of an engine that refused the call because of it, so that the call can be sent
   * once more: writes `outgoing` and `reporting` anew.
   *
   * @returns what to call when the engine has taken the call as it is now, or null when it was not refused for that.
   *   Only then it is remembered: a caller cannot have others go unmetered by asking for what is refused anyway.
   */
  retreat(exchange: Exchange, error: GateError): (() => void) | null
}

/** Remembers one engine for each target of the configuration at most. */
export function createReluctant(nowMs: NowMs): Reluctant {
  const known = new Map<string, { readonly mode: 'final' | 'native'; readonly untilMs: Ms }>()

  return {
    modeOf(origin, mode) {
      const found = known.get(origin)
      if (found === undefined) return mode
      if (found.untilMs <= nowMs()) {
        known.delete(origin)
        return mode
      }
      return mode === 'exact' || (mode === 'final' && found.mode === 'native') ? found.mode : mode
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
      return () => known.set(target.origin, { mode, untilMs: nowMs() + REMEMBER_MS })
    }
  }
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
