import type { Engine } from './table.ts'

/**
 * Engines that take a list of token numbers for one prompt. LMDeploy's `/v1/completions` makes a prompt of every element, and
 * ms-swift's takes one text. What is only OpenAI-compatible is taken at OpenAI's word.
 */
const TAKES_TOKENS: ReadonlySet<Engine> = new Set(['vllm', 'sglang', 'openai'])

/** Members that hold prompts: one, or a list of them. */
export const PROMPT_MEMBERS = ['prompt', 'text', 'input_ids'] as const

/** Whether a list of numbers under this name is one prompt. `input_ids` holds nothing else. */
export function takesTokens(engine: Engine, name: string): boolean {
  return name === 'input_ids' || TAKES_TOKENS.has(engine)
}

/**
 * How many prompts a member holds. A list of tokens is one where the engine takes such lists: every element is an integer.
 * Of any other list every element counts, and every element of the lists in it.
 */
export function countPrompts(value: unknown, isTokensTaken: boolean): number {
  if (!Array.isArray(value) || value.length === 0) return 1
  if (isTokensTaken && value.every(Number.isInteger)) return 1
  let count = 0
  for (const item of value) count += countPrompts(item, isTokensTaken)
  return count
}

/** How many conversations `messages` holds: engines that take several take a list of lists. */
export function countConversations(messages: unknown): number {
  return Array.isArray(messages) ? Math.max(1, messages.filter(Array.isArray).length) : 1
}
