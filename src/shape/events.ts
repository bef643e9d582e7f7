import type { Engine } from '../engines/table.ts'
import type { Content } from '../exchange.ts'
import { type Fields, isRecord } from './json.ts'

/** An event of a realtime session, and the model that its session has. */
export interface EventInit {
  readonly type: string
  readonly content: Content
  readonly model: string
  readonly engine: Engine
}

/** An event as the engine shall see it, and the members that it does not see. */
export interface ShapedEvent {
  readonly bytes: Buffer
  readonly removed: readonly string[]
}

/** What each event but the first may say. */
const MEMBERS: Readonly<Record<string, ReadonlySet<string>>> = {
  'input_audio_buffer.append': new Set(['type', 'event_id', 'audio']),
  'input_audio_buffer.commit': new Set(['type', 'event_id', 'final']),
  'input_audio_buffer.clear': new Set(['type', 'event_id'])
}
const SESSION_MEMBERS: ReadonlySet<string> = new Set(['type', 'event_id', 'model', 'session'])

/**
 * Writes an event for the engine. Sound goes on as it came. What settles a session is written anew, from what is known
 * of it alone and with the model that was allowed, in the place where this engine reads it: SGLang would take its own
 * model where none is named.
 */
export function shapeEvent({ type, content, model, engine }: EventInit): ShapedEvent {
  const members = type === 'session.update' ? SESSION_MEMBERS : MEMBERS[type]
  const removed = [...content.members.keys()].filter(name => members?.has(name) !== true)
  if (type !== 'session.update' && removed.length === 0) return { bytes: content.bytes, removed }
  const event =
    type === 'session.update'
      ? sessionUpdate(content.fields, model, engine)
      : Object.fromEntries(Object.entries(content.fields).filter(([name]) => members?.has(name)))
  return { bytes: Buffer.from(JSON.stringify(event)), removed }
}

function sessionUpdate(fields: Fields, model: string, engine: Engine): object {
  const head = { type: 'session.update', ...pick(fields, ['event_id']) }
  if (engine === 'vllm') return { ...head, model }
  const session = recordOf(fields.session)
  const input = recordOf(recordOf(session.audio).input)
  return {
    ...head,
    session: {
      type: session.type ?? 'transcription',
      ...pick(session, ['include']),
      audio: {
        input: {
          ...pick(input, ['format', 'turn_detection', 'noise_reduction']),
          transcription: { ...pick(recordOf(input.transcription), ['language', 'prompt']), model }
        }
      }
    }
  }
}

function pick(fields: Fields, names: readonly string[]): object {
  return Object.fromEntries(names.flatMap(name => (fields[name] === undefined ? [] : [[name, fields[name]]])))
}

function recordOf(value: unknown): Fields {
  return isRecord(value) ? value : {}
}
