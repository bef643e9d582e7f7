import type { Exchange, Usage } from '../exchange.ts'

/** A token of output takes an engine a step of its own; those of input go together (operations.md section 2.7). */
const INPUT = 1
const OUTPUT = 2

/** What a call costs at least, in weighted tokens: one that fails is work too. */
export const FLOOR = 10

/** What a call is thought to cost before any has ended. */
export const GUESS = 1_000

/** How a call ended, as far as its cost hangs on it. */
export type Ended = Pick<Exchange, 'usage' | 'status' | 'failure'>

/** What an engine's numbers cost, in weighted tokens, or null where it gave none. What a cache had is free. */
export function measuredCost(usage: Usage | null): number | null {
  if (usage === null || (usage.inputTokens === null && usage.outputTokens === null)) return null
  const input = Math.max(0, (usage.inputTokens ?? 0) - (usage.cachedInputTokens ?? 0))
  return Math.max(FLOOR, INPUT * input + OUTPUT * (usage.outputTokens ?? 0))
}

/**
 * What a call without numbers costs: the least when it was refused or failed, else what it was thought to. A caller who leaves
 * early gains nothing by it.
 */
export function unmeasuredCost({ status, failure }: Ended, estimate: number): number {
  return failure !== null || (status !== null && status >= 400) ? FLOOR : estimate
}
