import { countConversations, countPrompts, PROMPT_MEMBERS, takesTokens } from '../engines/prompts.ts'
import type { Engine } from '../engines/table.ts'
import { GateError } from '../errors.ts'
import { ANSWER_COPIES, ANSWER_LENGTHS } from '../tokens/answers.ts'
import { type Fields, isRecord } from './json.ts'
import type { CapOptions } from './options.ts'

/** Lists that multiply the work of one call; the longest that the OpenAI API takes of inputs. */
const MAX_INPUTS = 2_048
const MAX_STOPS = 16
const MAX_WORDS = 128
const MAX_BIASES = 1_024
const MAX_TOOLS = 256
/** A grammar is compiled from a schema while others wait (engines.md section 2, row 13). */
const MAX_SCHEMA_NODES = 5_000
const MAX_SCHEMA_DEPTH = 24

/** Lengths of answers. */
const TOKENS = [...ANSWER_LENGTHS, 'min_tokens', 'min_new_tokens']
const LOGPROBS = ['logprobs', 'top_logprobs', 'top_logprobs_num']
const LISTS: ReadonlyMap<string, number> = new Map([
  ['stop', MAX_STOPS],
  ['stop_sequences', MAX_STOPS],
  ['stop_token_ids', MAX_WORDS],
  ['bad_words', MAX_WORDS],
  ['allowed_token_ids', MAX_BIASES],
  ['tools', MAX_TOOLS],
  ['functions', MAX_TOOLS],
  ['texts', MAX_INPUTS],
  ['documents', MAX_INPUTS],
  ['queries', MAX_INPUTS],
  ['items', MAX_INPUTS],
  ['inputs', MAX_INPUTS],
  ['images', MAX_INPUTS],
  ['text_1', MAX_INPUTS],
  ['text_2', MAX_INPUTS],
  ['data_1', MAX_INPUTS],
  ['data_2', MAX_INPUTS],
  ['label_token_ids', MAX_BIASES]
])
const SCHEMAS = [
  'response_format',
  'structured_outputs',
  'guided_json',
  'guided_choice',
  'output_config',
  'tools',
  'functions',
  'text'
]

/**
 * Refuses what would let one call take the place of many.
 * @throws TOLLGATE_SHAPE_CAP with `param` and `limit`; TOLLGATE_SHAPE_FIELD with `param` for what is no number at all
 */
export function checkCaps(fields: Fields, caps: CapOptions, engine: Engine): void {
  for (const name of TOKENS) checkCount(fields, name, caps.maxTokens)
  for (const name of ANSWER_COPIES) checkCount(fields, name, caps.n, 1)
  for (const name of LOGPROBS) checkLogprobs(fields, name, caps.logprobs)
  for (const [name, limit] of LISTS) {
    const list = listIn(fields[name])
    if (list !== null && Math.max(list.length, countPrompts(list, true)) > limit) throw over(name, limit)
  }
  for (const name of PROMPT_MEMBERS) {
    if (countPrompts(fields[name], takesTokens(engine, name)) > caps.prompts) throw over(name, caps.prompts)
  }
  if (countPrompts(fields.input, takesTokens(engine, 'input')) > MAX_INPUTS) throw over('input', MAX_INPUTS)
  if (countConversations(fields.messages) > caps.prompts) throw over('messages', caps.prompts)
  const { logit_bias: biases } = fields
  if (isRecord(biases) && Object.keys(biases).length > MAX_BIASES) throw over('logit_bias', MAX_BIASES)
  for (const name of SCHEMAS) checkSchema(fields[name], name)
  checkWrittenSchema(fields.guided_json, 'guided_json')
  if (isRecord(fields.structured_outputs)) checkWrittenSchema(fields.structured_outputs.json, 'structured_outputs')
}

/**
 * The body, and the parameters below its `sampling_params`: one set, or one for each prompt (SGLang's native routes).
 * What holds for the first holds for all of them.
 *
 * @param isOpened a route that the operator has opened: parameters may stand below `options`, too (Ollama's dialect)
 * @throws TOLLGATE_SHAPE_FIELD when it is neither, TOLLGATE_SHAPE_CAP when there are more sets than prompts are allowed
 */
export function layersOf(fields: Fields, caps: CapOptions, isOpened = false): readonly Fields[] {
  const { sampling_params: params, options } = fields
  const own = isOpened && isRecord(options) ? [fields, options] : [fields]
  if (params === undefined || params === null) return own
  const sets: readonly unknown[] = Array.isArray(params) ? params : [params]
  if (sets.length > caps.prompts) throw over('sampling_params', caps.prompts)
  if (!sets.every(isRecord)) throw wrong('sampling_params')
  return [...own, ...sets]
}

function checkCount(fields: Fields, name: string, limit: number, least = 0): void {
  const value = fields[name]
  if (value === undefined || value === null) return
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least) throw wrong(name)
  if (value > limit) throw over(name, limit)
}

/** A number, or true for the one that was chosen. -1 is the whole vocabulary to some engines. */
function checkLogprobs(fields: Fields, name: string, limit: number): void {
  if (typeof fields[name] !== 'boolean') checkCount(fields, name, limit)
}

/** A list, or the one that vLLM takes in an object where text and media may be mixed. */
function listIn(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value
  return isRecord(value) && Array.isArray(value.content) ? value.content : null
}

function checkSchema(value: unknown, name: string): void {
  let left = MAX_SCHEMA_NODES
  const walk = (node: unknown, depth: number) => {
    if (--left < 0 || depth > MAX_SCHEMA_DEPTH) throw over(name, left < 0 ? MAX_SCHEMA_NODES : MAX_SCHEMA_DEPTH)
    if (typeof node !== 'object' || node === null) return
    for (const inner of Object.values(node)) walk(inner, depth + 1)
  }
  walk(value, 0)
}

/** Some engines take a schema as text, too. What is no JSON they refuse themselves. */
function checkWrittenSchema(text: unknown, name: string): void {
  if (typeof text !== 'string') return
  let schema: unknown
  try {
    schema = JSON.parse(text)
  } catch {
    return
  }
  checkSchema(schema, name)
}

function over(param: string, limit: number): GateError {
  return new GateError('TOLLGATE_SHAPE_CAP', { param, limit })
}

function wrong(param: string): GateError {
  return new GateError('TOLLGATE_SHAPE_FIELD', { param })
}
