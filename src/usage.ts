import type { IncomingHttpHeaders } from 'node:http'
import type { UsageMode } from './engines/usage.ts'
import type { Bytes } from './units.ts'

/** How the engine is asked for the usage of a call, and what of it the caller did not ask for. Written by `shape`. */
export interface Reporting {
  readonly mode: Exclude<UsageMode, 'off'>
  /** The caller's own `stream_options` as it was written, null without one; undefined where the gate asks for nothing. */
  readonly own: string | null | undefined
  /** The usage of the whole call, at the end of the stream, is not for the caller. */
  readonly hidesFinal: boolean
  /** The usage in every chunk is not for the caller. */
  readonly hidesPartial: boolean
  /** Answers to each prompt. */
  readonly choices: number
  readonly prompts: number
}

/**
 * What a call has used. null is what nobody has said; 0 is what somebody has said.
 *
 * `engine_final`: the engine's own numbers for the whole call. `engine_partial`: the engine's own numbers up to where the
 * caller left or the engine broke. `estimated`: input or output is a guess of the gateway, in whole or in part. `none`: the
 * engine has said nothing.
 */
export interface Usage {
  readonly source: 'engine_final' | 'engine_partial' | 'estimated' | 'none'
  /** All of the input, what was found in a cache included. */
  readonly inputTokens: number | null
  /** The part of the input that was found in a cache. */
  readonly cachedInputTokens: number | null
  /** All of the output, reasoning included. */
  readonly outputTokens: number | null
  /** The part of the output that was reasoning. */
  readonly reasoningTokens: number | null
  readonly audioSeconds: number | null
  /** The numbers among them that the gateway has guessed; nothing where there are none. */
  readonly guessed?: readonly GuessedNumber[]
}

/** A number of a usage that may be a guess, as the ledger calls it. */
export type GuessedNumber = 'input' | 'cached_input' | 'output'

/** What sees an engine's answer on its way to the caller, and gives back what the caller shall see. Placed by `meter`. */
export interface Tap {
  /** Told once, before the first piece of an answer below 400. */
  head(headers: IncomingHttpHeaders, isEventStream: boolean): void
  /** @returns what goes on of what has come; null for nothing yet. What goes on of an event stream ends with an event's end. */
  chunk(piece: Buffer): Buffer | null
  /** Told when the engine has ended its answer. @returns what had been held back, or null */
  end(): Buffer | null
  /** What has been said up to now. */
  usage(): Usage
  /** Bytes of the text that a model has made, as it stands in the answer; null where they were not counted. */
  readonly contentBytes: Bytes | null
  /** Events that brought a token of the model, but no text. */
  readonly bareEvents: number
  /** Events that could not be read, and went on as they were. */
  readonly unread: number
}
