import type { Content, Exchange, Usage } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/** A token of output takes an engine a step of its own; those of input go together (operations.md section 2.7). */
const INPUT = 1
const OUTPUT = 2

/** What a call costs at least, in weighted tokens: one that fails is work too. */
export const FLOOR = 10

/** How fast an average follows: the last eight calls count most. */
const FOLLOW = 1 / 8

/** What is assumed of a team's calls before any has ended. */
const SEED = {
  /** Four bytes in a token. */
  input: 250,
  inputBytes: 1_000,
  output: 1_000,
  /** 50 tokens in a second. */
  ms: 10_000,
  /** A token in an event of 250 bytes. */
  perByte: OUTPUT / 250
}

/** What is known of a call while it runs. */
export interface Work {
  /** Of its body. */
  readonly inputBytes: Bytes
  /** The most that it lets the engine make, all of its answers together; infinite where it says nothing. */
  readonly maxOutputTokens: number
  /** Bytes of its stream that have gone to the caller; 0 for an answer in one piece. */
  readonly streamedBytes: () => Bytes
}

const OUTPUT_NAMES = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'max_new_tokens']

/** What is known of the call of an exchange when `route` sees it. */
export function workOf(exchange: Exchange): Work {
  const { call, content, bytesIn } = exchange
  return {
    inputBytes: content?.bytes.length ?? bytesIn,
    maxOutputTokens: content === null ? Number.POSITIVE_INFINITY : maxOutputOf(content.fields),
    streamedBytes: call.isStream ? () => exchange.bytesOut : () => 0
  }
}

/** All that a body lets an engine make: the longest answer, for each answer to each prompt. */
function maxOutputOf(fields: Content['fields']): number {
  const { sampling_params: params, n, best_of: bestOf, prompt } = fields
  const layers: readonly unknown[] = [fields, ...(Array.isArray(params) ? params : [params])]
  const asked = layers.flatMap(layer => (isRecord(layer) ? OUTPUT_NAMES.map(name => layer[name]).filter(isCount) : []))
  if (asked.length === 0) return Number.POSITIVE_INFINITY
  const answers = Math.max(1, ...[n, bestOf].filter(isCount))
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1
  return Math.max(...asked) * answers * prompts
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

/** How a call ended, as far as its cost depends on it. */
export type Ended = Pick<Exchange, 'usage' | 'status' | 'failure'>

/**
 * What the calls of one team cost, in weighted tokens, from those that have ended. Of that team alone: what others do moves
 * nothing for it.
 */
export class Habits {
  #input = SEED.input
  #inputBytes = SEED.inputBytes
  #output = SEED.output
  /** From their places to their ends. */
  #ms = SEED.ms
  /** Of streams; nothing is assumed of them. */
  #streamed = 0
  #streamedBytes = 0
  /** The least that a byte of them has cost of late: falls at once, and rises slowly. */
  #leastPerByte = Number.POSITIVE_INFINITY

  /** What the input of a call will cost, before its engine has said so. */
  inputOf({ inputBytes }: Work): number {
    return (inputBytes * this.#input) / this.#inputBytes
  }

  /** What a stream has cost so far, by the bytes that have passed; 0 as long as nothing is known of others. */
  streamedOf({ streamedBytes, maxOutputTokens }: Work): number {
    if (this.#streamedBytes === 0) return 0
    return Math.min((streamedBytes() * this.#streamed) / this.#streamedBytes, OUTPUT * maxOutputTokens)
  }

  /** What it has cost at least. */
  leastOf({ streamedBytes, maxOutputTokens }: Work): number {
    if (this.#streamedBytes === 0) return 0
    return Math.min(streamedBytes() * this.#leastPerByte, OUTPUT * maxOutputTokens)
  }

  /**
   * What a call is thought to have cost by some time after it has begun: by its size and by what the team's calls cost within
   * such a time, whichever is less; one of them alone is wrong by far for an image, or after calls of another kind.
   */
  costWithin(ms: Ms, aheadMs: Ms, work: Work): number {
    const most = OUTPUT * work.maxOutputTokens
    const streamed = this.streamedOf(work)
    const outputPerMs = this.#output / this.#ms
    const made = streamed > 0 ? streamed : Math.min(ms * outputPerMs, most)
    const soon = made + Math.min(aheadMs * outputPerMs, this.#output, most)
    const byTime = ((ms + aheadMs) * (this.#input + this.#output)) / this.#ms
    return Math.min(this.inputOf(work) + soon, Math.max(byTime, streamed > 0 ? soon : 0))
  }

  /** What a call that has ended has cost. */
  costOf({ usage, status, failure }: Ended, work: Work): number {
    const streamed = this.streamedOf(work)
    const isRefused = failure !== null || (status !== null && status >= 400)
    if (!isCounted(usage)) {
      if (isRefused) return Math.max(FLOOR, streamed)
      const guessed = streamed > 0 ? streamed : work.streamedBytes() * SEED.perByte
      return Math.max(
        FLOOR,
        this.inputOf(work) + (guessed > 0 ? guessed : Math.min(this.#output, OUTPUT * work.maxOutputTokens))
      )
    }
    const input = usage.inputTokens === null ? this.inputOf(work) : INPUT * uncachedOf(usage)
    const unsaid = usage.source === 'engine_final' ? 0 : streamed
    return Math.max(FLOOR, input + (usage.outputTokens === null ? unsaid : OUTPUT * usage.outputTokens))
  }

  /** Learns from a call that was counted. @param tookMs from its place to its end */
  learn({ usage }: Ended, work: Work, tookMs: Ms): void {
    if (!isCounted(usage)) return
    if (usage.inputTokens !== null) {
      this.#input += (INPUT * uncachedOf(usage) - this.#input) * FOLLOW
      this.#inputBytes += (work.inputBytes - this.#inputBytes) * FOLLOW
    }
    if (usage.outputTokens === null && usage.source !== 'engine_final') return
    const output = OUTPUT * (usage.outputTokens ?? 0)
    this.#output += (output - this.#output) * FOLLOW
    this.#ms += (Math.max(1, tookMs) - this.#ms) * FOLLOW
    const bytes = work.streamedBytes()
    if (bytes === 0) return
    const perByte = output / bytes
    this.#leastPerByte =
      perByte < this.#leastPerByte ? perByte : this.#leastPerByte + (perByte - this.#leastPerByte) * FOLLOW
    this.#streamed += (output - this.#streamed) * FOLLOW
    this.#streamedBytes += (bytes - this.#streamedBytes) * FOLLOW
  }
}

function isCounted(usage: Usage | null): usage is Usage {
  return usage !== null && (usage.inputTokens !== null || usage.outputTokens !== null)
}

/** What a cache had is free. */
function uncachedOf({ inputTokens, cachedInputTokens }: Usage): number {
  return Math.max(0, (inputTokens ?? 0) - (cachedInputTokens ?? 0))
}
