import type { Usage } from '../exchange.ts'
import type { AnswersAsked } from '../tokens/answers.ts'
import type { LimitOptions } from './options.ts'

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
  { totalAnswers, maxAnswerTokens }: Pick<AnswersAsked, 'totalAnswers' | 'maxAnswerTokens'>,
  p90: number,
  { reserveOutput, maxTokens, maxAnswers }: Pick<LimitOptions, 'reserveOutput' | 'maxTokens' | 'maxAnswers'>
): number {
  if (reserveOutput === 'none') return 0
  // The cap is of one answer. A call that asks for more of either is refused when its body is looked at.
  const most = Math.min(maxAnswerTokens ?? maxTokens, maxTokens)
  return Math.min(totalAnswers, maxAnswers) * (reserveOutput === 'max_tokens' ? most : Math.min(most, p90))
}
