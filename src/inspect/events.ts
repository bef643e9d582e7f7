import { GateError } from '../errors.ts'
import type { Content } from '../exchange.ts'
import { MODEL } from './call.ts'
import { readObject } from './object.ts'

/** What callers say in a realtime session of vLLM and SGLang. Anything else has not been judged by anybody. */
export const EVENT_TYPES = [
  'session.update',
  'input_audio_buffer.append',
  'input_audio_buffer.commit',
  'input_audio_buffer.clear'
] as const

/** One event of a caller. */
export interface CallerEvent {
  readonly type: (typeof EVENT_TYPES)[number]
  readonly content: Content
  /** The model that it names after aliases, or null. */
  readonly model: string | null
  readonly modelAsked: string | null
}

/**
 * Reads one message of a realtime session.
 *
 * @throws TOLLGATE_INSPECT_JSON, TOLLGATE_INSPECT_DUPLICATE, TOLLGATE_INSPECT_DEPTH
 * @throws TOLLGATE_INSPECT_EVENT when its type is none that is served
 * @throws TOLLGATE_INSPECT_FIELD with `param`, also when it names two models
 */
export function readEvent(bytes: Buffer, aliases: ReadonlyMap<string, string>): CallerEvent {
  const content = readObject(bytes)
  const { fields } = content
  const type = EVENT_TYPES.find(known => known === fields.type)
  if (type === undefined) throw new GateError('TOLLGATE_INSPECT_EVENT', { param: 'type' })
  if (type === 'input_audio_buffer.append' && typeof fields.audio !== 'string') {
    throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'audio' })
  }
  if (type !== 'session.update') return { type, content, model: null, modelAsked: null }
  const [modelAsked = null, ...others] = namesOf(fields)
  const model = modelAsked === null ? null : (aliases.get(modelAsked) ?? modelAsked)
  if (others.some(name => (aliases.get(name) ?? name) !== model)) {
    throw new GateError('TOLLGATE_INSPECT_FIELD', { param: 'model', why: 'two models' })
  }
  return { type, content, model, modelAsked }
}

/** vLLM reads `model`, SGLang `session.audio.input.transcription.model`, OpenAI's own sessions `session.model`. */
function namesOf(fields: Content['fields']): readonly string[] {
  const session = child(fields, 'session')
  const transcription = child(child(child(session, 'audio'), 'input'), 'transcription')
  return [
    ['model', fields.model],
    ['session.model', session.model],
    ['session.audio.input.transcription.model', transcription.model]
  ].flatMap(([param, name]) => {
    if (name === undefined || name === null) return []
    if (typeof name !== 'string' || !MODEL.test(name)) throw new GateError('TOLLGATE_INSPECT_FIELD', { param })
    return [name]
  })
}

function child(of: Content['fields'], name: string): Content['fields'] {
  const value = Object.hasOwn(of, name) ? of[name] : undefined
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw new GateError('TOLLGATE_INSPECT_FIELD', { param: name })
  return value as Content['fields']
}
