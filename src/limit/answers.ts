import { promptsIn } from '../engines/prompts.ts'
import type { Content, Usage } from '../exchange.ts'
import type { LimitOptions } from './options.ts'

type Fields = Content['fields']

/** What a call asks for: how many answers, and how long each of them may be. */
export interface AnswersAsked {
  /** Of all its prompts together. At least 1. */
  readonly count: number
  /** Tokens of the longest one; null when the call says nothing. */
  readonly tokensEach: number | null
}

/** What a call without a body asks for, a form with sound for example. */
export const ONE_ANSWER: AnswersAsked = { count: 1, tokensEach: null }

const LENGTHS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'max_new_tokens', 'num_predict']
const COPIES = ['n', 'best_of', 'num_return_sequences']

/**
 * Reads how many answers a call asks for: one for each prompt, times the copies that it wants of each. Parameters stand in
 * the body, below `sampling_params` (one set, or one for each prompt) or below `options`; the largest number counts.
 */
export function answersAsked(fields: Fields): AnswersAsked {
  const { sampling_params: params, options } = fields
  const sets = (Array.isArray(params) ? params : [params]).filter(isFields)
  const layers = [fields, ...(isFields(options) ? [options] : []), ...sets]
  const lengths = layers.flatMap(layer => countsIn(layer, LENGTHS))
  const prompts = promptsIn(fields)
  const own = copiesIn(fields)
  const each = sets.map(set => Math.max(own, copiesIn(set)))
  // A set for each prompt: each has copies of its own.
  const isPaired = Array.isArray(params) && each.length === prompts
  const count = isPaired ? each.reduce((sum, copies) => sum + copies, 0) : prompts * Math.max(own, ...each)
  return { count, tokensEach: lengths.length === 0 ? null : largest(lengths) }
}

/** The usage of a call as if it had given one answer: of such answers the lengths are learned. */
export function perAnswer(usage: Usage, count: number): Usage {
  const { outputTokens } = usage
  return outputTokens === null || count === 1 ? usage : { ...usage, outputTokens: Math.ceil(outputTokens / count) }
}

/**
 * Tokens that are reserved for all answers of a call.
 * @param p90 what nine of ten answers of the model stay below
 */
export function outputReserved(
  { count, tokensEach }: AnswersAsked,
  p90: number,
  { reserveOutput, maxTokens, maxAnswers }: Pick<LimitOptions, 'reserveOutput' | 'maxTokens' | 'maxAnswers'>
): number {
  if (reserveOutput === 'none') return 0
  // The cap is of one answer. A call that asks for more of either is refused when its body is looked at.
  const most = Math.min(tokensEach ?? maxTokens, maxTokens)
  return Math.min(count, maxAnswers) * (reserveOutput === 'max_tokens' ? most : Math.min(most, p90))
}

function copiesIn(fields: Fields): number {
  return largest([1, ...countsIn(fields, COPIES)])
}

function countsIn(fields: Fields, names: readonly string[]): readonly number[] {
  return names.map(name => fields[name]).filter(isCount)
}

function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, one) => Math.max(most, one), 0)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
