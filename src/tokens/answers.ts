import { countConversations, countPrompts, PROMPT_MEMBERS } from '../engines/prompts.ts'

/** How many answers a call asks for, and how long each of them may be. */
export interface AnswersAsked {
  readonly prompts: number
  /** Most answers to one prompt. */
  readonly answers: number
  /** Answers to all prompts together. */
  readonly totalAnswers: number
  /** The longest answer that the call allows, in tokens; null when it bounds none of them, or not each of them. */
  readonly maxAnswerTokens: number | null
}

type Fields = Readonly<Record<string, unknown>>

/** Members that say how long an answer may be. `num_predict` is Ollama's. */
export const ANSWER_LENGTHS = [
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'max_new_tokens',
  'num_predict'
] as const
/** Members that say how many answers a prompt has. */
export const ANSWER_COPIES = ['n', 'best_of', 'num_return_sequences'] as const

/** By which members an operation says it. */
interface Names {
  readonly lengths: readonly string[]
  readonly copies: readonly string[]
  /** `messages` may hold several conversations. */
  readonly prompts: readonly string[]
  /** Parameters may be below `sampling_params`: one set, or one for each prompt. */
  readonly hasSets: boolean
  /** Parameters may be below `options`, as Ollama has it. */
  readonly hasOptions: boolean
}

const PLAIN = { hasSets: false, hasOptions: false } as const
const CONVERSATIONS = ['messages'] as const
/**
 * What a caller adds to these reaches no engine, or no engine obeys it: `max_new_tokens: 1` shortens no chat.
 * Operations that are missing here generate nothing.
 */
const NAMES: ReadonlyMap<string, Names> = new Map([
  ['chat', { ...PLAIN, lengths: ['max_tokens', 'max_completion_tokens'], copies: ['n'], prompts: CONVERSATIONS }],
  ['completions', { ...PLAIN, lengths: ['max_tokens'], copies: ['n', 'best_of'], prompts: ['prompt'] }],
  ['responses', { ...PLAIN, lengths: ['max_output_tokens'], copies: [], prompts: [] }],
  ['messages', { ...PLAIN, lengths: ['max_tokens'], copies: [], prompts: [] }],
  [
    'generate',
    {
      lengths: ['max_tokens', 'max_new_tokens'],
      copies: ANSWER_COPIES,
      prompts: PROMPT_MEMBERS,
      hasSets: true,
      hasOptions: false
    }
  ]
])
const NOTHING: Names = { ...PLAIN, lengths: [], copies: [], prompts: CONVERSATIONS }
/** Routes that the operator has opened: any dialect. */
const ANY: Names = {
  lengths: ANSWER_LENGTHS,
  copies: ANSWER_COPIES,
  prompts: [...PROMPT_MEMBERS, ...CONVERSATIONS],
  hasSets: true,
  hasOptions: true
}

/**
 * Reads how many answers a call asks for, for each prompt the largest number that is named for it, and how long they may be.
 * @param operation as in `engines/operations.ts`, or the path of a route that the operator has opened
 */
export function answersAsked(operation: string, fields: Fields): AnswersAsked {
  const names = NAMES.get(operation) ?? (operation.startsWith('/') ? ANY : NOTHING)
  const { lengths, copies } = names
  const prompts = promptsIn(fields, names.prompts)
  let own = largestIn(fields, copies)
  let most = largestIn(fields, lengths)
  if (names.hasOptions && isFields(fields.options)) {
    own = Math.max(own, largestIn(fields.options, copies))
    most = Math.max(most, largestIn(fields.options, lengths))
  }
  own = Math.max(1, own)
  const { sampling_params: params } = fields
  const sets =
    !names.hasSets || params === undefined ? NO_SETS : (Array.isArray(params) ? params : [params]).filter(isFields)
  if (sets.length === 0) return { prompts, answers: own, totalAnswers: prompts * own, maxAnswerTokens: most || null }
  const each = sets.map(set => Math.max(own, largestIn(set, copies)))
  const bounds = sets.map(set => Math.max(most, largestIn(set, lengths)))
  const answers = largest(each)
  // A set for each prompt: each has copies of its own.
  const isPaired = Array.isArray(params) && each.length === prompts
  const totalAnswers = isPaired ? each.reduce((sum, one) => sum + one, 0) : prompts * answers
  return { prompts, answers, totalAnswers, maxAnswerTokens: bounds.includes(0) ? null : largest(bounds) }
}

const NO_SETS: readonly Fields[] = []

/** How many prompts a body holds, for an engine that takes lists of tokens: those of the member that has most. */
function promptsIn(fields: Fields, names: readonly string[]): number {
  let most = 1
  for (const name of names) {
    const value = fields[name]
    if (!Array.isArray(value)) continue
    most = Math.max(most, name === 'messages' ? countConversations(value) : countPrompts(value, true))
  }
  return most
}

/** The largest number under some names; 0 where there is none. Engines take 0 for nothing said. */
function largestIn(fields: Fields, names: readonly string[]): number {
  let most = 0
  for (const name of names) {
    const value = fields[name]
    if (typeof value === 'number' && value > most && Number.isSafeInteger(value)) most = value
  }
  return most
}

function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, one) => Math.max(most, one), 0)
}

/** An object of JSON that is no list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
