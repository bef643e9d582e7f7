import { GENERATES, HEARS, UNCOUNTED } from '../engines/operations.ts'
import type { Call, Usage } from '../exchange.ts'
import type { CallSize } from '../tokens/call-size.ts'
import { TokenRatios } from '../tokens/token-ratios.ts'
import { outputReserved } from './answers.ts'
import type { ReserveOutput, Weights } from './options.ts'

/** What a call is thought to use, in tokens, before anybody knows. */
export interface Estimate {
  readonly input: number
  readonly output: number
  /** How many answers that is. */
  readonly answers: number
  /** What the call uses at least, whatever its texts are: no guess is in it, so that it can be refused for ever by it. */
  readonly least: number
}

/** What is asked. */
export interface EstimateInit {
  readonly call: Call
  /** Null for calls without a body. */
  readonly size: CallSize | null
  readonly team: string
}

/** How it is reckoned. */
export interface EstimateOptions {
  readonly reserveOutput: ReserveOutput
  readonly weights: Weights
  /** The longest answer that anybody may ask for. */
  readonly maxTokens: number
  /** How many answers a call may ask for. */
  readonly maxAnswers: number
}

/** Something is reserved for everything. */
const FLOOR = 1
const SEED_OUTPUT = 512
/** Before so many answers nothing is said of nine in ten of them. */
const ENOUGH = 20
const FORGET_EVERY = 2_000
/** Each class of lengths is a quarter longer than the one before. */
const STEP = 1.25
const CLASSES = 64

const MAX_MODELS = 1_000

/** What a call without a body asks for. */
const ONE_ANSWER = { totalAnswers: 1, maxAnswerTokens: null }

/** Reckons what calls will use, from what calls of the same model have used. Bounded, whatever is asked for. */
export class Estimator {
  readonly #models = new Map<string, Habits>()
  readonly #ratios: Pick<TokenRatios, 'inputTokens'>

  /** @param ratios how many tokens texts are, which is learned elsewhere */
  constructor(ratios: Pick<TokenRatios, 'inputTokens'>) {
    this.#ratios = ratios
  }

  estimate({ call, size, team }: EstimateInit, options: EstimateOptions): Estimate {
    const { operation, model } = call
    if (UNCOUNTED.has(operation)) return { input: FLOOR, output: 0, answers: 1, least: FLOOR }
    const habits = model === null ? undefined : this.#models.get(model)
    const input = size === null ? FLOOR : this.#ratios.inputTokens({ team, model: model ?? operation, operation }, size)
    // A route that the operator opened may generate, when it has a model.
    const isKnown = GENERATES.has(operation) || HEARS.has(operation) || (call.routeScope !== null && model !== null)
    const asked = isKnown && size !== null ? size : ONE_ANSWER
    const output = isKnown ? outputReserved(asked, habits?.p90 ?? SEED_OUTPUT, options) : 0
    const { weights, reserveOutput } = options
    const least =
      weights.input * (size === null ? FLOOR : TokenRatios.leastInputTokens(size)) +
      (reserveOutput === 'max_tokens' && asked.maxAnswerTokens !== null ? weights.output * output : 0)
    return { input, output, answers: asked.totalAnswers, least: Math.max(FLOOR, least) }
  }

  /** Learns from the engine's own numbers for a whole call. */
  learn(model: string, { outputTokens }: Usage): void {
    let habits = this.#models.get(model)
    if (habits === undefined) {
      if (this.#models.size >= MAX_MODELS) return
      habits = new Habits()
      this.#models.set(model, habits)
    }
    if (outputTokens !== null && outputTokens > 0) habits.sawOutput(outputTokens)
  }
}

/** What calls of one model are like. */
class Habits {
  readonly #lengths = new Float64Array(CLASSES)
  #seen = 0
  #p90: number | null = null

  /** What nine of ten answers stay below; null as long as too few were seen. */
  get p90(): number | null {
    return this.#p90
  }

  sawOutput(tokens: number): void {
    const at = Math.min(CLASSES - 1, Math.ceil(Math.log(tokens) / Math.log(STEP)))
    this.#lengths[at] = (this.#lengths[at] ?? 0) + 1
    this.#seen++
    if (this.#seen % FORGET_EVERY === 0)
      for (let i = 0; i < CLASSES; i++) this.#lengths[i] = (this.#lengths[i] ?? 0) / 2
    // Often enough to follow, seldom enough to cost nothing.
    if (this.#seen === ENOUGH || (this.#seen > ENOUGH && this.#seen % 16 === 0)) this.#p90 = this.#find()
  }

  #find(): number {
    const all = this.#lengths.reduce((sum, one) => sum + one, 0)
    let below = 0
    for (const [at, one] of this.#lengths.entries()) {
      below += one
      if (below >= all * 0.9) return Math.ceil(STEP ** at)
    }
    return Math.ceil(STEP ** (CLASSES - 1))
  }
}

/** What is reserved or charged in limits of tokens. */
export function weigh(
  { input, cached, output }: { readonly input: number; readonly cached: number; readonly output: number },
  weights: Weights
): number {
  const found = Math.min(cached, input)
  return weights.input * (input - found) + weights.cached * found + weights.output * output
}

/**
 * What a call has used, by its completed usage. What even that does not say, as for sound and for routes that the operator
 * opened, is charged as it was reserved.
 */
export function spentOf(usage: Usage | null, { input, output }: Estimate, weights: Weights): number {
  if (usage === null || usage.source === 'none') return Math.max(FLOOR, weigh({ input, cached: 0, output }, weights))
  const told = {
    input: usage.inputTokens ?? input,
    cached: usage.cachedInputTokens ?? 0,
    output: usage.outputTokens ?? (usage.source === 'engine_final' ? 0 : output)
  }
  return weigh(told, weights)
}
