import type { Bytes } from '../units.ts'
import { type AnswersAsked, answersAsked, isFields } from './answers.ts'

/** How much a call asks an engine to read and to write, as far as its body says so. Written by `inspect`. */
export interface CallSize extends AnswersAsked {
  /**
   * Text of all prompts in UTF-8, with a fixed part for each message, part and tool. What no engine reads as prompt is not in
   * it: white space of the JSON, media, parameters, members that are not known.
   */
  readonly textBytes: Bytes
  /** Token ids that were sent in the place of text. */
  readonly ids: number
  /** Pictures, sounds and films. */
  readonly media: number
}

/** A form with sound: nothing of its size is known. */
export const FORM_SIZE: CallSize = {
  textBytes: 0,
  ids: 0,
  media: 1,
  prompts: 1,
  answers: 1,
  totalAnswers: 1,
  maxAnswerTokens: null
}

const CONVERSATION = ['messages', 'tools', 'functions', 'documents']
const ANY = ['input', 'inputs', 'texts', 'messages', 'text', 'prompt', 'input_ids']
/** Operation → the members that hold its prompts. */
const PROMPTS: Readonly<Record<string, readonly string[]>> = {
  chat: CONVERSATION,
  completions: ['prompt', 'suffix'],
  responses: ['input', 'instructions', 'tools'],
  messages: ['system', ...CONVERSATION],
  generate: ['text', 'prompt', 'input_ids'],
  embeddings: ['input', 'messages'],
  classify: ['input', 'messages'],
  pooling: ['input', 'messages'],
  embed: ['texts', 'inputs', 'messages'],
  rerank: ['query', 'documents', 'messages'],
  score: ['text_1', 'text_2', 'queries', 'documents', 'query', 'items', 'data_1', 'data_2', 'messages']
}

/** Members of messages, parts and items that templates write into the prompt. */
const TEXTS: ReadonlySet<string> = new Set([
  'content',
  'text',
  'reasoning',
  'reasoning_content',
  'thinking',
  'refusal',
  'tool_calls',
  'function_call',
  'function',
  'name',
  'description',
  'arguments',
  'output',
  'summary',
  'instructions',
  'query'
])
/** Members that are written as JSON, whatever they hold. */
const JSONS: ReadonlySet<string> = new Set(['parameters', 'input_schema', 'input', 'arguments'])
/** Top-level members with media, besides those in parts. */
const MEDIA = ['images', 'audios', 'videos', 'image_data', 'audio_data', 'video_data', 'image', 'audio', 'video']
/** What a template writes around a message, a part or a tool, and around all of them. */
const AROUND: Bytes = 20
const TEMPLATE: Bytes = 36
const CONVERSES: ReadonlySet<string> = new Set(['chat', 'responses', 'messages'])
const MAX_DEPTH = 32

/** Reads the size of a call from its body, in one walk over its prompts. @param operation as in `engines/operations.ts` */
export function callSize(operation: string, fields: Readonly<Record<string, unknown>>): CallSize {
  const walk = new PromptWalk()
  for (const name of PROMPTS[operation] ?? ANY) {
    const value = fields[name]
    if (value !== undefined) walk.value(value, MAX_DEPTH)
  }
  let media = walk.media
  for (const name of MEDIA) media += countOf(fields[name])
  const { prompts, answers, totalAnswers, maxAnswerTokens } = answersAsked(operation, fields)
  return {
    textBytes: walk.bytes + (CONVERSES.has(operation) ? TEMPLATE : 0),
    ids: walk.ids,
    media,
    prompts,
    answers,
    totalAnswers,
    maxAnswerTokens
  }
}

class PromptWalk {
  bytes: Bytes = 0
  ids = 0
  media = 0

  value(value: unknown, depth: number): void {
    if (typeof value === 'string') this.bytes += Buffer.byteLength(value)
    else if (typeof value === 'number') this.ids++
    else if (depth > 0 && Array.isArray(value)) for (const item of value) this.value(item, depth - 1)
    else if (depth > 0 && isFields(value)) this.#part(value, depth)
  }

  #part(part: Readonly<Record<string, unknown>>, depth: number): void {
    this.bytes += AROUND
    let isText = false
    for (const name of Object.keys(part)) {
      const value = part[name]
      if (JSONS.has(name) && typeof value === 'object') this.#json(value, depth - 1)
      else if (TEXTS.has(name) || name === 'input') this.value(value, depth - 1)
      else continue
      isText = true
    }
    if (!isText && part.role === undefined) this.media++
  }

  #json(value: unknown, depth: number): void {
    if (typeof value === 'string') this.bytes += Buffer.byteLength(value) + 2
    else if (typeof value !== 'object' || value === null || depth <= 0) this.bytes += 4
    else {
      for (const [name, inner] of Object.entries(value)) {
        this.bytes += Buffer.byteLength(name) + 4
        this.#json(inner, depth - 1)
      }
    }
  }
}

function countOf(value: unknown): number {
  return value === undefined || value === null ? 0 : Array.isArray(value) ? value.length : 1
}
