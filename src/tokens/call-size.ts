import { promptsIn } from '../engines/prompts.ts'
import type { Bytes } from '../units.ts'

/** How much a call asks an engine to read and to write, as far as its body says so. Written by `inspect`. */
export interface CallSize {
  /**
   * Text of all prompts in UTF-8, with a fixed part for each message, part and tool. What no engine reads as prompt is not in
   * it: white space of the JSON, media, parameters, members that are not known.
   */
  readonly textBytes: Bytes
  /** Token ids that were sent in the place of text. */
  readonly ids: number
  /** Pictures, sounds and films. */
  readonly media: number
  readonly prompts: number
  /** Answers to each prompt. */
  readonly answers: number
  /** The longest answer that the call allows, in tokens, by any of its names; null when it says nothing. */
  readonly maxAnswerTokens: number | null
}

/** What is generated token by token, and counted so by its engine. */
export const GENERATES: ReadonlySet<string> = new Set(['chat', 'completions', 'responses', 'messages', 'generate'])
/** Text that a model reads, and whose answers are no text. */
export const READS: ReadonlySet<string> = new Set(['embeddings', 'embed', 'rerank', 'score', 'classify', 'pooling'])

/** A form with sound: nothing of its size is known. */
export const FORM_SIZE: CallSize = { textBytes: 0, ids: 0, media: 1, prompts: 1, answers: 1, maxAnswerTokens: null }

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
const OUTPUT_NAMES = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'max_new_tokens'] as const

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
    if (Object.hasOwn(fields, name)) walk.value(fields[name], MAX_DEPTH)
  }
  let media = walk.media
  for (const name of MEDIA) media += countOf(fields[name])
  const layers = layersOf(fields)
  return {
    textBytes: walk.bytes + (CONVERSES.has(operation) ? TEMPLATE : 0),
    ids: walk.ids,
    media,
    prompts: promptsIn(fields),
    answers: Math.max(1, ...layers.map(layer => Math.max(positive(layer.n) ?? 1, positive(layer.best_of) ?? 1))),
    maxAnswerTokens: layers
      .flatMap(layer => OUTPUT_NAMES.map(name => positive(layer[name])))
      .reduce((most, one) => (one === null ? most : Math.max(most ?? 0, one)), null)
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
    else if (depth > 0 && isObject(value)) this.#part(value, depth)
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

/** The body, and SGLang's parameters: one set, or one for each prompt. */
function layersOf(fields: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] {
  const { sampling_params: params } = fields
  return [fields, ...(Array.isArray(params) ? params : [params]).filter(isObject)]
}

function countOf(value: unknown): number {
  return value === undefined || value === null ? 0 : Array.isArray(value) ? value.length : 1
}

function positive(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
