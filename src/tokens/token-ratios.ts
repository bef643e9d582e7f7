import type { Bytes } from '../units.ts'
import type { CallSize } from './call-size.ts'
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

/**
 * How many tokens texts are, without a tokenizer: bytes of text by bytes of a token, which is learned from calls whose engine
 * has counted. For each team and model by itself, so that no team moves anything for another; a team without calls of its own
 * begins with the median of all teams. Clamped: a team that sends texts of very long tokens gains a bounded part by it.
 */
export class TokenRatios {
  readonly #input = new TeamMemory<DecayedRatio>(SEED_BYTES)
  readonly #output = new TeamMemory<DecayedRatio>(SEED_BYTES)
  readonly #media = new TeamMemory<DecayedRatio>(SEED_MEDIA)
  readonly #cached = new TeamMemory<DecayedRatio>(0)
  readonly #filled = new TeamMemory<DecayedRatio>(1)
  readonly #length = new TeamMemory<DecayedRatio>(SEED_ANSWER)

  /** Input of a call, all of its prompts together. */
  inputTokens(key: RatioKey, { textBytes, ids, media }: CallSize): number {
    const text = textBytes / this.bytesOfInput(key)
    const perItem = media === 0 ? 0 : (this.#media.get(key.team, key.model)?.value ?? this.#media.median(key.model))
    return Math.max(1, Math.round(text + ids + media * clamp(perItem, 0, MAX_MEDIA)))
  }

  /** What no engine can count less than. */
  static leastInputTokens({ textBytes, ids }: CallSize): number {
    return Math.max(1, ids + Math.floor(textBytes / LONGEST_TOKEN_BYTES))
  }

  /** What a model has written, by the bytes of it. */
  outputTokens({ team, model }: RatioKey, bytes: Bytes): number {
    const known = this.#output.get(team, model)?.value ?? this.#output.median(model)
    return bytes / bounded(known, this.#output.median(model), MAX_OUTPUT_DEVIATION)
  }

  /** The part of the input that a cache has had of late; null for a model that has told nothing of a cache. */
  cachedShare({ team, model }: RatioKey): number | null {
    const known = this.#cached.get(team, model)
    return known === undefined ? null : clamp(known.value, 0, 1)
  }

  /** What answers of the model come to in the end. @param most that the call allows for all of them; infinite where it says nothing */
  usualAnswer({ team, model }: RatioKey, most: number, answers: number): number {
    if (Number.isFinite(most)) return most * (this.#filled.get(team, model)?.value ?? 1)
    return answers * (this.#length.get(team, model)?.value ?? SEED_ANSWER)
  }

  /** @param maxAnswerTokens that each answer might have had, or null */
  learnAnswer({ team, model }: RatioKey, tokens: number, answers: number, maxAnswerTokens: number | null): void {
    if (maxAnswerTokens === null) {
      this.#length.at(team, model, () => new DecayedRatio(tokens / answers, ITEMS)).add(tokens, answers)
      return
    }
    const most = maxAnswerTokens * answers
    this.#filled.at(team, model, () => new DecayedRatio(tokens / most, TOKENS)).add(tokens, most)
  }

  bytesOfInput({ team, model, operation }: RatioKey): number {
    const reference = this.#input.median(model)
    const known = this.#input.get(team, `${model}\n${operation}`) ?? this.#input.get(team, model)
    return bounded(known?.value ?? reference, reference, MAX_DEVIATION)
  }

  /** An engine has counted the input of a call. */
  learnInput(key: RatioKey, size: CallSize, tokens: number): void {
    const { team, model, operation } = key
    if (size.media > 0) {
      const items = Math.max(0, tokens - size.ids - size.textBytes / this.bytesOfInput(key))
      this.#media.at(team, model, () => new DecayedRatio(this.#media.median(model), ITEMS)).add(items, size.media)
      this.#media.compare(team, model, this.#media.get(team, model)?.value ?? SEED_MEDIA)
      return
    }
    const ofText = tokens - size.ids
    if (size.textBytes === 0 || ofText < MIN_TOKENS) return
    const all = this.#input.at(team, model, () => new DecayedRatio(this.#input.median(model), TOKENS))
    const before = all.value
    all.add(size.textBytes, ofText)
    this.#input.at(team, `${model}\n${operation}`, () => new DecayedRatio(before, TOKENS)).add(size.textBytes, ofText)
    this.#input.compare(team, model, clamp(all.value, MIN_BYTES, MAX_BYTES))
  }

  /** The same of what a model has written. */
  learnOutput({ team, model }: RatioKey, bytes: Bytes, tokens: number): void {
    if (bytes === 0 || tokens < MIN_TOKENS) return
    const known = this.#output.at(team, model, () => new DecayedRatio(this.#output.median(model), TOKENS))
    known.add(bytes, tokens)
    this.#output.compare(team, model, clamp(known.value, MIN_BYTES, MAX_BYTES))
  }

  learnCached({ team, model }: RatioKey, cached: number, input: number): void {
    if (input > 0) this.#cached.at(team, model, () => new DecayedRatio(cached / input, TOKENS)).add(cached, input)
  }
}

function bounded(bytes: number, reference: number, deviation: number): number {
  return clamp(bytes, MIN_BYTES, Math.min(MAX_BYTES, Math.max(reference, SEED_BYTES) * deviation))
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
