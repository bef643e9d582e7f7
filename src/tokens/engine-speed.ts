import type { Ms } from '../time.ts'
import { Comparison } from './comparison.ts'
import { TeamMemory } from './teams.ts'

/** Whose call it is, which model, and which engine works on it. */
export interface SpeedKey {
  readonly team: string
  readonly model: string
  readonly origin: string
}

/** A call, as far as it takes an engine time. */
export interface Job {
  readonly inputTokens: number
  readonly answers: number
}

/** As long as nothing is known: a token of an answer, and a call around its answer. */
const SEED_MS_PER_TOKEN: Ms = 20
const SEED_START_MS: Ms = 0
/** Tokens of a prompt are read together: so many take about as long as one of an answer. */
const INPUT_TOKENS_PER_STEP = 64
/** From an engine's first token to the gate and back, with the word that the caller has left: then it goes on counting. */
const UNTOLD_MS: Ms = 10
/** How fast older calls are forgotten: the last twenty count most. */
const FORGET = 0.95
const PRIOR_WEIGHT = 0.05
/** Of its own calls, until a team goes by them. */
const ENOUGH = 2

/**
 * How far an engine has come with an answer that nobody has read, by time. The time of a call is a start and a step for each
 * token of its answers, which are made side by side; both are learned from whole calls whose engine has counted them, by a
 * straight line through the latest of them.
 */
export class EngineSpeed {
  readonly #memory = new TeamMemory({ own: () => new Line(), common: () => new Common() })
  #lastModel = ''
  #lastOrigin = ''
  #lastKey = '\n'

  /**
   * A whole call of which the engine has counted everything, and whose time was the engine's alone.
   * @param firstTokenMs when the first token was seen; null where that was not shown
   */
  learn(
    { team, model, origin }: SpeedKey,
    { inputTokens, answers }: Job,
    outputTokens: number,
    tookMs: Ms,
    firstTokenMs: Ms | null = null
  ): void {
    const { own: line, common } = this.#memory.use(team, this.#keyOf(model, origin))
    // What comes before the answer is seen best there: whole calls alone say little of where the line begins.
    if (firstTokenMs !== null) {
      line.add(1 + inputTokens / INPUT_TOKENS_PER_STEP, firstTokenMs)
      line.first.add(inputTokens, firstTokenMs)
    }
    line.add(outputTokens / answers + inputTokens / INPUT_TOKENS_PER_STEP, tookMs)
    const { startMs, stepMs } = line.read()
    common.stepMs.set(team, stepMs)
    common.startMs.set(team, startMs)
  }

  /** How many tokens of output an engine can have made of a call in this time. Not a whole number. */
  outputTokens(of: SpeedKey, { inputTokens, answers }: Job, workedMs: Ms): number {
    const { startMs, stepMs } = this.#read(of)
    const steps = (workedMs - startMs) / stepMs - inputTokens / INPUT_TOKENS_PER_STEP
    return Math.max(0, steps) * answers
  }

  /**
   * How many tokens an engine makes of a stream behind the last one that was read, until it knows that the caller has left:
   * right on average. Not a whole number; 0 as long as no call of the team has shown its speed.
   */
  untoldTokens(of: SpeedKey, answers: number): number {
    if (this.#memory.get(of.team, this.#keyOf(of.model, of.origin)) === undefined) return 0
    return Math.min(1, UNTOLD_MS / this.#read(of).stepMs) * answers
  }

  /**
   * Which part of a prompt an engine can have read in this time, from 0 (it has not begun) to 1.
   * @param isUnread the engine would have shown its first token. Where it is known when engines show that, only those are
   * charged that the engine went on with until it knew that the caller has left. Else it is reading the prompt, or has not
   * begun, and the longer of the two is the likelier: where that is the second, it has read nothing, since engines count no
   * prompt before then
   */
  promptShare(of: SpeedKey, inputTokens: number, workedMs: Ms, isUnread: boolean): number {
    const { startMs, stepMs } = this.#read(of)
    const first = this.#memory.get(of.team, this.#keyOf(of.model, of.origin))?.first
    const firstMs = first?.expectedMs(inputTokens, stepMs) ?? null
    // It comes as likely earlier as later, within half of that time.
    if (firstMs !== null && isUnread) return workedMs < firstMs / 2 ? 0 : Math.min(0.5, (2 * UNTOLD_MS) / firstMs)
    if (firstMs !== null) return Math.max(0, Math.min(1, workedMs / firstMs - 0.5))
    const readMs = (stepMs * inputTokens) / INPUT_TOKENS_PER_STEP
    if (isUnread && readMs < startMs) return 0
    const most = isUnread ? readMs / (readMs + startMs) : 1
    return Math.max(0, Math.min(most, (workedMs - startMs) / readMs))
  }

  #read({ team, model, origin }: SpeedKey): { readonly startMs: Ms; readonly stepMs: Ms } {
    const key = this.#keyOf(model, origin)
    const own = this.#memory.get(team, key)
    const { startMs, stepMs } = this.#memory.common(key)
    if (own !== undefined && (own.count >= ENOUGH || stepMs.count <= 1)) return own.read()
    return { startMs: startMs.median, stepMs: stepMs.median }
  }

  /** Made once for the steps of a call: a text that is put together has to be hashed again. */
  #keyOf(model: string, origin: string): string {
    if (model !== this.#lastModel || origin !== this.#lastOrigin) {
      this.#lastModel = model
      this.#lastOrigin = origin
      this.#lastKey = `${model}\n${origin}`
    }
    return this.#lastKey
  }
}

class Common {
  readonly stepMs = new Comparison(SEED_MS_PER_TOKEN)
  readonly startMs = new Comparison(SEED_START_MS)
}

/** When the first token of an answer is made, where streams have shown it. Older ones count less. */
class FirstToken {
  #count = 0
  #weight = 0
  #ms = 0
  #input = 0

  add(inputTokens: number, ms: Ms): void {
    this.#count++
    // One that waited in the engine is no measure; but when several take as long, that is how it is.
    const most = this.#count > ENOUGH ? (3 * this.#ms) / this.#weight : ms
    this.#weight = this.#weight * FORGET + 1
    this.#ms = this.#ms * FORGET + Math.min(ms, most)
    this.#input = this.#input * FORGET + inputTokens
  }

  /** @returns null as long as too little is known */
  expectedMs(inputTokens: number, stepMs: Ms): Ms | null {
    if (this.#count < ENOUGH) return null
    const [meanMs, meanInput] = [this.#ms / this.#weight, this.#input / this.#weight]
    return Math.max(meanMs / 2, meanMs + ((inputTokens - meanInput) * stepMs) / INPUT_TOKENS_PER_STEP)
  }
}

/** A straight line through points of which older ones count less. */
class Line {
  readonly first = new FirstToken()
  count = 0
  #weight = PRIOR_WEIGHT
  #x = PRIOR_WEIGHT * 100
  #y = PRIOR_WEIGHT * (SEED_START_MS + 100 * SEED_MS_PER_TOKEN)
  #xx = PRIOR_WEIGHT * 100 * 100
  #xy = PRIOR_WEIGHT * 100 * (SEED_START_MS + 100 * SEED_MS_PER_TOKEN)

  add(steps: number, tookMs: Ms): void {
    this.count++
    // One that waited in the engine is no measure; but when several take as long, that is how it is.
    const { startMs, stepMs } = this.read()
    const y = this.count > ENOUGH ? Math.min(tookMs, 3 * (startMs + steps * stepMs)) : tookMs
    this.#weight = this.#weight * FORGET + 1
    this.#x = this.#x * FORGET + steps
    this.#y = this.#y * FORGET + y
    this.#xx = this.#xx * FORGET + steps * steps
    this.#xy = this.#xy * FORGET + steps * y
  }

  read(): { readonly startMs: Ms; readonly stepMs: Ms } {
    const [meanX, meanY] = [this.#x / this.#weight, this.#y / this.#weight]
    if (meanX === 0) return { startMs: meanY, stepMs: SEED_MS_PER_TOKEN }
    const variance = this.#xx / this.#weight - meanX * meanX
    const most = meanY / meanX
    const slope = variance > 0.01 * meanX * meanX ? (this.#xy / this.#weight - meanX * meanY) / variance : most
    const stepMs = Math.max(0.01, Math.min(most, Math.max(most / 5, slope)))
    return { startMs: Math.max(0, meanY - stepMs * meanX), stepMs }
  }
}
