import type { Bytes } from '../units.ts'
import type { CallSize } from './call-size.ts'
import { Comparison } from './comparison.ts'
import { DecayedRatio } from './decayed-ratio.ts'
import { TeamMemory } from './teams.ts'

/** Whose call it is, and what it asks for. */
export interface RatioKey {
  readonly team: string
  readonly model: string
  readonly operation: string
}

/** Bytes of a token, as long as nothing is known of a model. */
const SEED_BYTES = 4
const MIN_BYTES = 1
const MAX_BYTES = 16
/** How many times more bytes a token of one team may have than the median of all teams. */
const MAX_DEVIATION = 2
/** The same for what a model writes: engines may escape it, and no caller writes it. */
const MAX_OUTPUT_DEVIATION = 4
/** Tokens of an answer, likewise. */
const SEED_ANSWER = 256
/** Tokens of a picture or a sound, likewise. */
const SEED_MEDIA = 500
const MAX_MEDIA = 100_000
/** No text has longer tokens than that on average, twice the most that is ever assumed. */
const LONGEST_TOKEN_BYTES = 2 * MAX_BYTES

/** The first call of a team weighs more than all that was assumed. */
const TOKENS = { weight: 0.001, memory: 20_000 }
const ITEMS = { weight: 0.001, memory: 256 }
/** Calls with fewer tokens are mostly what is around them. */
const MIN_TOKENS = 8
/** Operations of one team and model that have a ratio of their own: more than there are. */
const MAX_OPERATIONS = 16

/**
 * How many tokens texts are, without a tokenizer: bytes of text by bytes of a token, which is learned from calls whose engine
 * has counted. For each team and model by itself, so that no team moves anything for another; a team without calls of its own
 * begins with the median of all teams. Clamped: a team that sends texts of very long tokens gains a bounded part by it.
 */
export class TokenRatios {
  readonly #memory = new TeamMemory({ own: () => new Own(), common: () => new Common() })

  /** Input of a call, all of its prompts together. */
  inputTokens(key: RatioKey, { textBytes, ids, media }: CallSize): number {
    const text = textBytes / this.bytesOfInput(key)
    if (media === 0) return Math.max(1, Math.round(text + ids))
    const { team, model } = key
    const perItem = this.#memory.get(team, model)?.media?.value ?? this.#memory.common(model).media.median
    return Math.max(1, Math.round(text + ids + media * clamp(perItem, 0, MAX_MEDIA)))
  }

  /** What no engine can count less than. */
  static leastInputTokens({ textBytes, ids }: CallSize): number {
    return Math.max(1, ids + Math.floor(textBytes / LONGEST_TOKEN_BYTES))
  }

  /** What a model has written, by the bytes of it. */
  outputTokens({ team, model }: RatioKey, bytes: Bytes): number {
    const reference = this.#memory.common(model).output.median
    const known = this.#memory.get(team, model)?.output?.value ?? reference
    return bytes / bounded(known, reference, MAX_OUTPUT_DEVIATION)
  }

  /** The part of the input that a cache has had of late; null for a model that has told nothing of a cache. */
  cachedShare({ team, model }: RatioKey): number | null {
    const known = this.#memory.get(team, model)?.cached ?? null
    return known === null ? null : clamp(known.value, 0, 1)
  }

  /** What answers of the model come to in the end. @param most that the call allows for all of them; infinite where it says nothing */
  usualAnswer({ team, model }: RatioKey, most: number, answers: number): number {
    const known = this.#memory.get(team, model)
    if (Number.isFinite(most)) return most * (known?.filled?.value ?? 1)
    return answers * (known?.length?.value ?? SEED_ANSWER)
  }

  /** @param maxAnswerTokens that each answer might have had, or null */
  learnAnswer({ team, model }: RatioKey, tokens: number, answers: number, maxAnswerTokens: number | null): void {
    const { own } = this.#memory.use(team, model)
    if (maxAnswerTokens === null) {
      own.length ??= new DecayedRatio(tokens / answers, ITEMS)
      own.length.add(tokens, answers)
      return
    }
    const most = maxAnswerTokens * answers
    own.filled ??= new DecayedRatio(tokens / most, TOKENS)
    own.filled.add(tokens, most)
  }

  bytesOfInput({ team, model, operation }: RatioKey): number {
    const reference = this.#memory.common(model).input.median
    const own = this.#memory.get(team, model)
    const known = own?.operations.get(operation) ?? own?.input
    return bounded(known?.value ?? reference, reference, MAX_DEVIATION)
  }

  /** An engine has counted the input of a call. */
  learnInput(key: RatioKey, size: CallSize, tokens: number): void {
    const { team, model, operation } = key
    const { own, common } = this.#memory.use(team, model)
    if (size.media > 0) {
      const items = Math.max(0, tokens - size.ids - size.textBytes / this.bytesOfInput(key))
      own.media ??= new DecayedRatio(common.media.median, ITEMS)
      own.media.add(items, size.media)
      common.media.set(team, own.media.value)
      return
    }
    const ofText = tokens - size.ids
    if (size.textBytes === 0 || ofText < MIN_TOKENS) return
    own.input ??= new DecayedRatio(common.input.median, TOKENS)
    const before = own.input.value
    own.input.add(size.textBytes, ofText)
    const ofOperation = own.operations.get(operation) ?? own.operationOf(operation, before)
    ofOperation?.add(size.textBytes, ofText)
    common.input.set(team, clamp(own.input.value, MIN_BYTES, MAX_BYTES))
  }

  /** The same of what a model has written. */
  learnOutput({ team, model }: RatioKey, bytes: Bytes, tokens: number): void {
    if (bytes === 0 || tokens < MIN_TOKENS) return
    const { own, common } = this.#memory.use(team, model)
    own.output ??= new DecayedRatio(common.output.median, TOKENS)
    own.output.add(bytes, tokens)
    common.output.set(team, clamp(own.output.value, MIN_BYTES, MAX_BYTES))
  }

  learnCached({ team, model }: RatioKey, cached: number, input: number): void {
    if (input === 0) return
    const { own } = this.#memory.use(team, model)
    own.cached ??= new DecayedRatio(cached / input, TOKENS)
    own.cached.add(cached, input)
  }
}

/** What is learned of the calls of one team to one model. */
class Own {
  input: DecayedRatio | null = null
  readonly operations = new Map<string, DecayedRatio>()
  output: DecayedRatio | null = null
  media: DecayedRatio | null = null
  cached: DecayedRatio | null = null
  filled: DecayedRatio | null = null
  length: DecayedRatio | null = null

  /** @returns the ratio of an operation that had none, or undefined for one more than are remembered */
  operationOf(operation: string, bytes: Bytes): DecayedRatio | undefined {
    if (this.operations.size >= MAX_OPERATIONS) return
    const ratio = new DecayedRatio(bytes, TOKENS)
    this.operations.set(operation, ratio)
    return ratio
  }
}

/** What calls to one model are like for all teams. */
class Common {
  readonly input = new Comparison(SEED_BYTES)
  readonly output = new Comparison(SEED_BYTES)
  readonly media = new Comparison(SEED_MEDIA)
}

function bounded(bytes: number, reference: number, deviation: number): number {
  return clamp(bytes, MIN_BYTES, Math.min(MAX_BYTES, Math.max(reference, SEED_BYTES) * deviation))
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
