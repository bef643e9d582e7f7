import type { Engine } from './table.ts'

/**
 * How the usage of a call is learned.
 *
 * `exact`: streams are asked for it in every chunk, so that it is known whenever a stream ends. `final`: streams are asked
 * for it at their end. `native`: nothing is asked for; what comes by itself is read. `off`: nothing is read.
 */
export const USAGE_MODES = ['exact', 'final', 'native', 'off'] as const
/** One of them. */
export type UsageMode = (typeof USAGE_MODES)[number]

/** What an engine does with usage in streams of chat and completions. */
export interface UsageHabits {
  /** The mode of its pools, where the operator names none. */
  readonly mode: UsageMode
  /** Whether `continuous_usage_stats` means something without `include_usage`. */
  readonly continuousAlone: boolean
  /** Whether forms with sound know `stream_include_usage` and `stream_continuous_usage_stats`. */
  readonly asksInForms: boolean
  /**
   * What a chunk of an operation shows to a caller who did not ask: no `usage` at all where this says nothing; else
   * `"usage":null` in chunks that have this text in them, and none in others. The text is the name of a member with its
   * quotes, so that it can stand in no string.
   */
  readonly nullIn: { readonly chat?: string; readonly completions?: string }
  /** Whether the number in a chunk is of the chunk's own choice, or of the whole call. */
  readonly chunkCounts: 'choice' | 'call'
  /**
   * Whether `system_fingerprint` stands in the last chunk of a choice when no usage was asked for, and in the chunk
   * with the usage otherwise.
   */
  readonly movesFingerprint: boolean
  /** Whether it stops working on an answer in one piece when its caller has gone. Streams stop on every engine. */
  readonly stopsWholeAnswers: boolean
}

/**
 * The habits of every engine, from their sources: vLLM 0.32.0 `entrypoints/openai/*\/serving.py` and
 * `entrypoints/serve/utils/api_utils.py`, SGLang `srt/entrypoints/openai/{serving_chat,serving_completions,sse_utils}.py`,
 * LMDeploy 0.16.0 `serve/openai/{chat_completions/serving,endpoints/completions}.py`, ms-swift `infer_engine`.
 */
export const USAGE_HABITS: Readonly<Record<Engine, UsageHabits>> = {
  vllm: {
    mode: 'exact',
    continuousAlone: false,
    asksInForms: true,
    nullIn: {},
    chunkCounts: 'choice',
    movesFingerprint: true,
    stopsWholeAnswers: true
  },
  // Chunks with tools and those of completions are made by pydantic, which writes null; plain ones leave it out.
  sglang: {
    mode: 'exact',
    continuousAlone: true,
    asksInForms: false,
    nullIn: { chat: '"tool_calls":', completions: '"choices":' },
    chunkCounts: 'choice',
    movesFingerprint: false,
    stopsWholeAnswers: true
  },
  lmdeploy: {
    mode: 'final',
    continuousAlone: false,
    asksInForms: false,
    nullIn: {},
    chunkCounts: 'call',
    movesFingerprint: false,
    stopsWholeAnswers: true
  },
  swift: {
    mode: 'native',
    continuousAlone: false,
    asksInForms: false,
    nullIn: {},
    chunkCounts: 'call',
    movesFingerprint: false,
    stopsWholeAnswers: false
  },
  // The API itself knows `include_usage` alone; a server that knows less says so and is believed.
  openai: {
    mode: 'final',
    continuousAlone: false,
    asksInForms: false,
    nullIn: {},
    chunkCounts: 'choice',
    movesFingerprint: false,
    stopsWholeAnswers: true
  }
}
