import { countPrompts, takesTokens } from '../engines/prompts.ts'
import { USAGE_HABITS, type UsageMode } from '../engines/usage.ts'
import { GateError } from '../errors.ts'
import type { Call, Reporting, Target } from '../exchange.ts'
import { Members } from '../json-members.ts'
import { type Fields, isRecord } from './json.ts'

/** Operations whose streams tell their usage only when they are asked. Others tell it by themselves, or never. */
const ASKED: ReadonlySet<string> = new Set(['chat', 'completions'])
const INCLUDE = 'include_usage'
const CONTINUOUS = 'continuous_usage_stats'

/** A stream's options as the engine shall read them, and what of their effect the caller did not ask for. */
export interface UsageOptions {
  /** The JSON text of `stream_options`, or null to leave it as it is. */
  readonly text: string | null
  readonly reporting: Reporting
}

/**
 * Decides how the usage of a call is asked for.
 * @param own the caller's `stream_options` as it was written, or null
 * @throws TOLLGATE_SHAPE_FIELD with `param` when the options cannot be read
 */
export function usageOptions(init: {
  readonly mode: Exclude<UsageMode, 'off'>
  readonly call: Call
  readonly target: Target
  readonly fields: Fields
  readonly own: string | null
}): UsageOptions {
  const { mode, call, target, fields, own } = init
  const counts = {
    choices: countOf(fields.n),
    prompts: countPrompts(fields.prompt, takesTokens(target.engine, 'prompt'))
  }
  if (mode === 'native' || !call.isStream || !ASKED.has(call.operation)) {
    return { text: null, reporting: { mode, own: undefined, hidesFinal: false, hidesPartial: false, ...counts } }
  }
  return forceUsage({ mode, target, own, counts })
}

/** Asks for the usage of a stream. What else the options say stays as it was written, byte by byte. */
export function forceUsage(init: {
  readonly mode: Exclude<UsageMode, 'off'>
  readonly target: Target
  readonly own: string | null
  readonly counts: Pick<Reporting, 'choices' | 'prompts'>
}): UsageOptions {
  const { mode, target, own, counts } = init
  const options = own === null ? null : (JSON.parse(own) as unknown)
  if (options !== null && !isRecord(options)) throw wrong()
  const asksFinal = readFlag(options?.[INCLUDE])
  const asksPartial = readFlag(options?.[CONTINUOUS]) && (asksFinal || USAGE_HABITS[target.engine].continuousAlone)
  const forced = mode === 'native' ? [] : mode === 'final' ? [INCLUDE] : [INCLUDE, CONTINUOUS]
  return {
    text: forced.length === 0 ? own : withTrue(options === null ? null : own, forced),
    reporting: {
      mode,
      own: mode === 'native' ? undefined : own,
      hidesFinal: mode !== 'native' && !asksFinal,
      hidesPartial: mode !== 'native' && !asksPartial,
      ...counts
    }
  }
}

/** Sets members of an object to true; every byte that belongs to none of them stays as it is. */
function withTrue(own: string | null, names: readonly string[]): string {
  if (own === null) return `{${names.map(name => `"${name}":true`).join(',')}}`
  const bytes = Buffer.from(own)
  const members = new Members()
  const missing = new Set(names)
  let written = ''
  let from = 0
  members.open(bytes, 0)
  while (members.next()) {
    if (!missing.delete(members.name())) continue
    written += `${bytes.toString('utf8', from, members.start)}true`
    from = members.end
  }
  // Where the last member ends, or right behind the brace that opens.
  const last = members.end === -1 ? 1 : members.end
  const separator = members.end === -1 ? '' : ','
  const more = [...missing].map(name => `"${name}":true`).join(',')
  written += bytes.toString('utf8', from, last) + (more === '' ? '' : separator + more)
  return written + bytes.toString('utf8', last)
}

/** An engine takes null for no. Other values than a truth have been taken for one or the other. */
function readFlag(value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw wrong()
  return value
}

function wrong(): GateError {
  return new GateError('TOLLGATE_SHAPE_FIELD', { param: 'stream_options' })
}

function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 1
}

const FORM_INCLUDE = 'stream_include_usage'
const FORM_CONTINUOUS = 'stream_continuous_usage_stats'
const YES = /^(?:true|1|on|t|y|yes)$/i

/** The same for a form with sound, whose fields are words. @param isAsked whether the engine's streams are asked in forms */
export function askInForm(
  fields: Map<string, readonly string[]>,
  isAsked: boolean,
  mode: Exclude<UsageMode, 'off'>
): Reporting {
  const says = (name: string) => YES.test(fields.get(name)?.[0] ?? '')
  const [asksFinal, asksPartial] = [says(FORM_INCLUDE), says(FORM_INCLUDE) && says(FORM_CONTINUOUS)]
  const forces = isAsked && mode !== 'native'
  if (forces) fields.set(FORM_INCLUDE, ['true'])
  if (forces && mode === 'exact') fields.set(FORM_CONTINUOUS, ['true'])
  return {
    mode,
    own: undefined,
    hidesFinal: forces && !asksFinal,
    hidesPartial: forces && !asksPartial,
    choices: 1,
    prompts: 1
  }
}
