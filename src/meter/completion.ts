import { GENERATES, READS } from '../engines/operations.ts'
import type { Engine } from '../engines/table.ts'
import { USAGE_HABITS } from '../engines/usage.ts'
import type { Call, Exchange, GuessedNumber, Target, Usage } from '../exchange.ts'
import type { CallSize } from '../tokens/call-size.ts'
import { EngineSpeed } from '../tokens/engine-speed.ts'
import type { RatioKey, TokenRatios } from '../tokens/token-ratios.ts'
import { NOTHING } from './counts.ts'

/** What a completion goes by. It learns from every call that it sees. */
export interface CompletionInit {
  readonly ratios: TokenRatios
  readonly speed?: EngineSpeed
  /** Told of every guess. */
  readonly onGuessed?: (kind: 'input' | 'output', tokens: number) => void
  /** An engine has told what would have been guessed. @param ratio told ÷ guessed */
  readonly onTold?: (model: string, kind: 'input' | 'output', ratio: number) => void
}

type Known = CompletionInit & Required<Pick<CompletionInit, 'speed'>>

/** A call that an engine has taken, and what it is known by. */
interface Taken {
  readonly exchange: Exchange
  readonly call: Call
  readonly target: Target
  readonly size: CallSize
  readonly key: RatioKey
  readonly reported: Usage
}

const UNKNOWN: Usage = { source: 'none', ...NOTHING }
/** The caller has left before an engine had begun. */
const UNBEGUN: Usage = { source: 'estimated', ...NOTHING, inputTokens: 0, outputTokens: 0 }

/**
 * Makes the finalizer that completes the usage of a call, before limits, queue, ledger, audit and metrics see it, and with or
 * without any of them: so that they agree, and a caller pays no less by leaving.
 *
 * Numbers that the engine has told stay. The others are estimated: input from the text that was forwarded; the output of a
 * stream from the text that came, and from time for as long as nothing was read of it; the output of an answer in one piece
 * from time. Calls of which an engine has told everything teach. It does NOT read sound, nor routes that the operator opened.
 */
export function createCompletion(options: CompletionInit): (exchange: Exchange) => void {
  const init = { speed: new EngineSpeed(), ...options }
  return exchange => {
    const { usage } = exchange
    exchange.reported = usage
    const { call, target } = exchange.known
    const isRefused = exchange.failure !== null && (exchange.status === null || exchange.status >= 400)
    const neverSent = exchange.attempts === 0 || exchange.engineTime.state === 'connecting'
    if (isRefused || neverSent) {
      // Nothing that an engine failed to report: there was nothing.
      if (usage?.source === 'none') exchange.usage = null
      return
    }
    const { size } = exchange
    if (call === undefined || target === undefined || size === null) return
    if (!GENERATES.has(call.operation) && !READS.has(call.operation)) return
    const key = ratioKeyOf(exchange, call)
    const taken: Taken = { exchange, call, target, size, key, reported: usage ?? UNKNOWN }
    if (taken.reported.source === 'engine_final') {
      if (isWhole(exchange)) learn(init, taken)
    } else exchange.usage = completed(init, taken)
  }
}

/** By what the tokens of a call are estimated, before and after it. */
export function ratioKeyOf(exchange: Exchange, { model, operation }: Call): RatioKey {
  return { team: exchange.known.identity?.team ?? '', model: model ?? operation, operation }
}

function isWhole({ ending, failure }: Exchange): boolean {
  return ending === 'answered' && failure === null
}

function completed(init: Known, taken: Taken): Usage {
  const { reported, exchange, key } = taken
  const input = reported.inputTokens ?? init.ratios.inputTokens(key, taken.size)
  const guessedInput = reported.inputTokens ?? Math.round(input * promptShare(init.speed, taken, input))
  if (guessedInput === 0 && !hasAnswered(exchange)) return UNBEGUN
  const guessed: GuessedNumber[] = []
  if (reported.inputTokens === null) {
    guessed.push('input')
    init.onGuessed?.('input', guessedInput)
  }
  const outputTokens = GENERATES.has(taken.call.operation) ? outputOf(init, taken, guessedInput) : reported.outputTokens
  if (outputTokens !== null && outputTokens !== reported.outputTokens) {
    guessed.push('output')
    init.onGuessed?.('output', outputTokens - (reported.outputTokens ?? 0))
  }
  const source = guessed.length > 0 ? 'estimated' : reported.source
  const share = reported.cachedInputTokens === null ? init.ratios.cachedShare(key) : null
  if (share !== null) guessed.push('cached_input')
  const cachedInputTokens = share === null ? reported.cachedInputTokens : Math.round(guessedInput * share)
  return { ...reported, source, inputTokens: guessedInput, outputTokens, cachedInputTokens, guessed }
}

/**
 * Which part of the prompt an engine has read: all of it when it has answered; else as much as it has had time for, and nothing
 * where it is known to let calls wait.
 */
function promptShare(speed: EngineSpeed, { exchange, key, target }: Taken, inputTokens: number): number {
  if (isWhole(exchange) || hasAnswered(exchange)) return 1
  if (exchange.lease?.isEngineFull === true) return 0
  const { engineTime, call } = exchange
  return speed.promptShare({ ...key, origin: target.origin }, inputTokens, engineTime.workedMs, call.isStream)
}

/** Whether an engine's answer has begun. That of responses begins with an event that comes before the prompt is read. */
function hasAnswered({ firstByteAtMs, contentBytes, known }: Exchange): boolean {
  return firstByteAtMs !== null && (known.call?.operation !== 'responses' || contentBytes !== 0)
}

function outputOf(init: Known, taken: Taken, inputTokens: number): number {
  const { exchange, size, call, key, reported, target } = taken
  const answers = size.totalAnswers
  const most = size.maxAnswerTokens === null ? Number.POSITIVE_INFINITY : size.maxAnswerTokens * answers
  const { contentBytes, bareEvents, engineTime, bytesOut } = exchange
  const byText = contentBytes === null ? null : init.ratios.outputTokens(key, contentBytes) + bareEvents
  const read = reported.outputTokens ?? byText
  if (isWhole(exchange) && read !== null) return atMost(read, reported, most)
  const byTime = () =>
    init.speed.outputTokens({ ...key, origin: target.origin }, { inputTokens, answers }, engineTime.workedMs)
  if (call.isStream) {
    if (exchange.firstByteAtMs === null) return atMost(read ?? 0, reported, most)
    if (engineTime.heldMs < HELD_MS) {
      const isLeft = exchange.ending === 'client_left' && reported.outputTokens === null
      const untold = isLeft ? init.speed.untoldTokens({ ...key, origin: target.origin }, answers) : 0
      return atMost((read ?? byTime()) + untold, reported, most)
    }
    // The engine went on while nothing was read, and what it made is on no way to the gateway any more.
    const overhang = engineTime.overhang(bytesOut)
    return atMost(Math.max(read ?? 0, overhang === null ? byTime() : (read ?? 0) * overhang), reported, most)
  }
  const runsOn = !isWhole(exchange) && !stops(target.engine)
  return atMost(Math.max(runsOn ? init.ratios.usualAnswer(key, most, answers) : 0, byTime()), reported, most)
}

/** Less is not worth a guess beside the engine's own number. */
const HELD_MS = 250

/** @returns a whole number, no more than the call allows and no less than the engine has told */
function atMost(tokens: number, reported: Usage, most: number): number {
  return Math.max(reported.outputTokens ?? 0, Math.round(Math.min(tokens, most)))
}

function stops(engine: Engine): boolean {
  return USAGE_HABITS[engine].stopsWholeAnswers
}

function learn(init: Known, { exchange, size, key, call, target, reported }: Taken): void {
  const { ratios, speed, onTold } = init
  const { inputTokens, outputTokens, cachedInputTokens } = reported
  if (inputTokens !== null) {
    if (size.media === 0) onTold?.(key.model, 'input', inputTokens / ratios.inputTokens(key, size))
    ratios.learnInput(key, size, inputTokens)
    if (cachedInputTokens !== null) ratios.learnCached(key, cachedInputTokens, inputTokens)
  }
  if (outputTokens === null || !GENERATES.has(call.operation)) return
  const { contentBytes, bareEvents, engineTime } = exchange
  if (contentBytes !== null && contentBytes > 0) {
    onTold?.(key.model, 'output', outputTokens / Math.max(1, ratios.outputTokens(key, contentBytes) + bareEvents))
    ratios.learnOutput(key, contentBytes, outputTokens - bareEvents)
  }
  const answers = size.totalAnswers
  ratios.learnAnswer(key, outputTokens, answers, size.maxAnswerTokens)
  if (engineTime.state === 'ended' && engineTime.heldMs === 0 && outputTokens > 0) {
    const job = { inputTokens: inputTokens ?? 0, answers }
    const of = { team: key.team, model: key.model, origin: target.origin }
    const showsFirst = call.isStream && call.operation !== 'responses' && inputTokens !== null
    speed.learn(of, job, outputTokens, engineTime.workedMs, showsFirst ? engineTime.firstByteMs : null)
  }
}
