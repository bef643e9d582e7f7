import type { Exchange, Usage } from '../exchange.ts'
import type { Bytes } from '../units.ts'

/** What is guessed. */
export interface EstimateOptions {
  /** Calls that ended early. */
  readonly onAbort: 'estimate' | 'last_reported'
  /** Whole answers. */
  readonly onMissing: 'estimate' | 'free'
}

/** Who is told of guesses. */
export interface EstimateEvents {
  onGuessed(kind: 'input' | 'output', tokens: number): void
  /** An engine has told what would have been guessed. @param ratio told ÷ guessed */
  onTold(model: string, kind: 'input' | 'output', ratio: number): void
}

/** Bytes of a token, as long as nothing is known of a model. */
const SEED = 4
/** How much a call says of its model. */
const WEIGHT = 0.1
/** Calls with fewer tokens are mostly what is around them. */
const MIN_TOKENS = 16
/** Models that are known at most; the one that was learned from longest ago goes first. */
const MAX_MODELS = 256

/** Operations whose answers are text that a model has made. */
const GENERATES: ReadonlySet<string> = new Set(['chat', 'completions', 'responses', 'messages', 'generate'])
/** Operations whose requests are text that a model reads, and whose answers are no text. */
const READS: ReadonlySet<string> = new Set(['embeddings', 'embed', 'rerank', 'score', 'classify', 'pooling'])

interface Ratios {
  input: number
  output: number
}

/**
 * Guesses what a call has used where its engine has said nothing: bytes of text ÷ bytes of a token, which is learned from
 * calls whose engine has told. Reads no text, and asks no tokenizer.
 *
 * What came with pictures or sound is not guessed: its bytes say nothing.
 */
export class Estimator {
  readonly #options: EstimateOptions
  readonly #events: EstimateEvents | undefined
  readonly #models = new Map<string, Ratios>()

  constructor(options: EstimateOptions, events?: EstimateEvents) {
    this.#options = options
    this.#events = events
  }

  /** Learns from what was told, or adds to it. @returns null where nothing is counted */
  complete(exchange: Exchange): Usage | null {
    const { usage, firstByteAtMs } = exchange
    const call = exchange.known.call
    // Before the first byte nothing has been made.
    if (usage === null || call === undefined || firstByteAtMs === null) return usage
    const textIn = call.kind === 'text' ? exchange.bytesIn : null
    const textOut = exchange.contentBytes
    const model = call.model ?? ''
    const isWhole = exchange.ending === 'answered' && exchange.failure === null
    if (usage.source === 'engine_final') {
      if (isWhole) this.#learn(model, { textIn, textOut }, usage)
      return usage
    }
    if ((isWhole ? this.#options.onMissing : this.#options.onAbort) !== 'estimate') return usage
    const generates = GENERATES.has(call.operation)
    if (!generates && !READS.has(call.operation)) return usage
    const ratios = this.#models.get(model) ?? { input: SEED, output: SEED }
    const inputTokens = usage.inputTokens ?? guess(textIn, ratios.input)
    const outputTokens = usage.outputTokens ?? (generates ? guess(textOut, ratios.output) : null)
    if (inputTokens === usage.inputTokens && outputTokens === usage.outputTokens) return usage
    if (usage.inputTokens === null && inputTokens !== null) this.#events?.onGuessed('input', inputTokens)
    if (usage.outputTokens === null && outputTokens !== null) this.#events?.onGuessed('output', outputTokens)
    return { ...usage, source: 'estimated', inputTokens, outputTokens }
  }

  #learn(model: string, bytes: { textIn: Bytes | null; textOut: Bytes | null }, usage: Usage): void {
    const before = this.#models.get(model)
    const input = this.#learned(model, 'input', bytes.textIn, usage.inputTokens)
    const output = this.#learned(model, 'output', bytes.textOut, usage.outputTokens)
    if (before !== undefined) this.#models.delete(model)
    else if (this.#models.size >= MAX_MODELS) this.#models.delete(this.#models.keys().next().value ?? '')
    this.#models.set(model, { input, output })
  }

  #learned(model: string, kind: keyof Ratios, bytes: Bytes | null, tokens: number | null): number {
    const before = this.#models.get(model)?.[kind]
    if (bytes === null || bytes === 0 || tokens === null || tokens < MIN_TOKENS) return before ?? SEED
    const seen = bytes / tokens
    this.#events?.onTold(model, kind, (before ?? SEED) / seen)
    return before === undefined ? seen : before + WEIGHT * (seen - before)
  }
}

function guess(bytes: Bytes | null, ratio: number): number | null {
  return bytes === null ? null : Math.round(bytes / ratio)
}
