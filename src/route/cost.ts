import type { Exchange, Usage } from '../exchange.ts'
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
  ms: 10_000
}

/** A token that was sent as such counts as much text as one has. */
const ID_BYTES: Bytes = 4

/** What is known of a call while it runs. */
export interface Work {
  /** Of the text that its engine reads. */
  readonly inputBytes: Bytes
  /** The most that it lets the engine make, all of its answers together; infinite where it says nothing. */
  readonly maxOutputTokens: number
  /** Bytes of its stream that have gone to the caller; 0 for an answer in one piece. */
  readonly streamedBytes: () => Bytes
}

/** What is known of the call of an exchange when `route` sees it. */
export function workOf(exchange: Exchange): Work {
  const { call, size, bytesIn } = exchange
  const { textBytes = bytesIn, ids = 0, totalAnswers = 1, maxAnswerTokens = null } = size ?? {}
  return {
    inputBytes: textBytes + ids * ID_BYTES,
    maxOutputTokens: maxAnswerTokens === null ? Number.POSITIVE_INFINITY : maxAnswerTokens * totalAnswers,
    streamedBytes: call.isStream ? () => exchange.bytesOut : () => 0
  }
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

  /** What a call that has ended has cost; where nobody has counted it, what its team's calls cost. */
  costOf({ usage, status, failure }: Ended, work: Work): number {
    if (isCounted(usage)) {
      const input = usage.inputTokens === null ? this.inputOf(work) : INPUT * uncachedOf(usage)
      return Math.max(FLOOR, input + OUTPUT * (usage.outputTokens ?? 0))
    }
    if (failure !== null || (status !== null && status >= 400)) return FLOOR
    return Math.max(FLOOR, this.inputOf(work) + Math.min(this.#output, OUTPUT * work.maxOutputTokens))
  }

  /** Learns from a call that was counted. @param tookMs from its place to its end */
  learn({ usage }: Ended, work: Work, tookMs: Ms): void {
    if (!isCounted(usage)) return
    if (usage.inputTokens !== null) {
      this.#input += (INPUT * uncachedOf(usage) - this.#input) * FOLLOW
      this.#inputBytes += (work.inputBytes - this.#inputBytes) * FOLLOW
    }
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
