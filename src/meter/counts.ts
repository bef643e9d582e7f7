import type { Usage } from '../exchange.ts'

/** The numbers of a usage. */
export type Counts = Omit<Usage, 'source'>

/** What nobody has said anything of. */
export const NOTHING: Counts = Object.freeze({
  inputTokens: null,
  cachedInputTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  audioSeconds: null
})

/** Whether anything has been said. */
export function saysAnything(counts: Counts): boolean {
  return counts.inputTokens !== null || counts.outputTokens !== null || counts.audioSeconds !== null
}

/**
 * Reads the `usage` of chat, completions, responses, embeddings and sound, in whichever of its two vocabularies, and the
 * `meta_info` of native generation.
 */
export function readCounts(usage: unknown): Counts {
  if (!isRecord(usage)) return NOTHING
  const input = recordOf(usage.prompt_tokens_details ?? usage.input_tokens_details)
  const output = recordOf(usage.completion_tokens_details ?? usage.output_tokens_details)
  return {
    inputTokens: tokens(usage.prompt_tokens) ?? tokens(usage.input_tokens),
    cachedInputTokens: tokens(input.cached_tokens) ?? tokens(usage.cached_tokens),
    outputTokens: tokens(usage.completion_tokens) ?? tokens(usage.output_tokens),
    reasoningTokens: tokens(output.reasoning_tokens) ?? tokens(usage.reasoning_tokens),
    audioSeconds: seconds(usage.seconds)
  }
}

/**
 * Reads the `usage` of Anthropic's messages, whose `input_tokens` leaves out what was found in or written to a cache.
 * @param before an earlier usage of the same message: each number that comes again takes the place of the one before
 */
export function readMessageUsage(usage: unknown, before: MessageUsage = {}): MessageUsage {
  if (!isRecord(usage)) return before
  return {
    input: tokens(usage.input_tokens) ?? before.input ?? null,
    read: tokens(usage.cache_read_input_tokens) ?? before.read ?? null,
    written: tokens(usage.cache_creation_input_tokens) ?? before.written ?? null,
    output: tokens(usage.output_tokens) ?? before.output ?? null
  }
}

/** The numbers of a message as they are reported. */
export interface MessageUsage {
  readonly input?: number | null
  readonly read?: number | null
  readonly written?: number | null
  readonly output?: number | null
}

/** The numbers of a message as everybody else counts: the cached part is a part of the input. */
export function countsOfMessage({ input, read, written, output }: MessageUsage): Counts {
  return {
    ...NOTHING,
    inputTokens: input == null ? null : input + (read ?? 0) + (written ?? 0),
    cachedInputTokens: read ?? null,
    outputTokens: output ?? null
  }
}

/** Later numbers in the place of earlier ones; what is not said again stays. */
export function merge(earlier: Counts, later: Counts): Counts {
  return {
    inputTokens: later.inputTokens ?? earlier.inputTokens,
    cachedInputTokens: later.cachedInputTokens ?? earlier.cachedInputTokens,
    outputTokens: later.outputTokens ?? earlier.outputTokens,
    reasoningTokens: later.reasoningTokens ?? earlier.reasoningTokens,
    audioSeconds: later.audioSeconds ?? earlier.audioSeconds
  }
}

/** The sum of what several answers have used. What one of them does not say, the sum does not say. */
export function sum(all: readonly Counts[]): Counts {
  const add = (of: (counts: Counts) => number | null) =>
    all.reduce<number | null>((total, counts) => {
      const more = of(counts)
      return total === null || more === null ? null : total + more
    }, 0)
  return {
    inputTokens: add(counts => counts.inputTokens),
    cachedInputTokens: add(counts => counts.cachedInputTokens),
    outputTokens: add(counts => counts.outputTokens),
    reasoningTokens: add(counts => counts.reasoningTokens),
    audioSeconds: add(counts => counts.audioSeconds)
  }
}

/** An object of JSON that is no list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}

function tokens(value: unknown): number | null {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : null
}

function seconds(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}
