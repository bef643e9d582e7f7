/** Streams of chat and completions as each engine writes them, with and without usage, from one description. */

/** What a call to an engine makes. */
export interface Made {
  readonly operation: 'chat' | 'completions'
  /** Answers to each prompt. */
  readonly choices: number
  /** Tokens of each prompt. */
  readonly prompts: readonly number[]
  /** In the order in which they are made; `choice` counts through the answers of all prompts. */
  readonly steps: readonly Step[]
  readonly cached: number | null
  readonly reasoning: number
  readonly fingerprint: string | null
}

/** A piece of one answer. */
export interface Step {
  readonly choice: number
  readonly text: string
  readonly tokens: number
  /** A call of a tool instead of words. */
  readonly isTool: boolean
}

/** What a stream was asked for, as the engine understands it. */
export interface Asked {
  readonly final: boolean
  readonly partial: boolean
}

/** An engine's way to write streams. */
export type Flavour = 'vllm' | 'sglang' | 'lmdeploy' | 'openai'

/** How engines read `stream_options`. */
export function askedOf(flavour: Flavour, options: unknown): Asked {
  const said = (options ?? {}) as { include_usage?: unknown; continuous_usage_stats?: unknown }
  const final = said.include_usage === true
  const partial = said.continuous_usage_stats === true
  switch (flavour) {
    case 'vllm':
      return { final, partial: final && partial }
    case 'sglang':
      return { final, partial }
    default:
      return { final, partial: false }
  }
}

/** The events of a stream, in order, `[DONE]` the last. */
export function eventsOf(flavour: Flavour, made: Made, asked: Asked): string[] {
  return [...WRITERS[flavour](made, asked), 'data: [DONE]\n\n']
}

/** Tokens of the whole call. */
export function totalsOf({ prompts, steps }: Made): { readonly input: number; readonly output: number } {
  return { input: add(prompts), output: add(steps.map(({ tokens }) => tokens)) }
}

const add = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0)
const base = (made: Made) => ({
  id: made.operation === 'chat' ? 'chatcmpl-1' : 'cmpl-1',
  object: made.operation === 'chat' ? 'chat.completion.chunk' : 'text_completion',
  created: 1_790_000_000,
  model: 'm'
})
const promptOf = (made: Made, choice: number) => made.prompts[Math.floor(choice / made.choices)] ?? 0
const compact = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`

/** As Python's json.dumps writes: spaces after separators, and nothing but ASCII. */
export function dumps(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(dumps).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, inner]) => `${dumps(name)}: ${dumps(inner)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value).replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: everything that is no ASCII
    /[^\x00-\x7f]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

function total(made: Made) {
  const { input, output } = totalsOf(made)
  return { prompt_tokens: input, total_tokens: input + output, completion_tokens: output }
}

/** What each step shows: the tokens of its own choice so far. */
function* walk(made: Made) {
  const so = new Map<number, number>()
  const left = new Map<number, number>()
  for (const { choice } of made.steps) left.set(choice, (left.get(choice) ?? 0) + 1)
  for (const step of made.steps) {
    const tokens = (so.get(step.choice) ?? 0) + step.tokens
    const isFirst = !so.has(step.choice)
    so.set(step.choice, tokens)
    left.set(step.choice, (left.get(step.choice) ?? 0) - 1)
    const prompt = promptOf(made, step.choice)
    const usage = { prompt_tokens: prompt, total_tokens: prompt + tokens, completion_tokens: tokens }
    yield { step, usage, isFirst, isLast: left.get(step.choice) === 0 }
  }
}

const toolOf = (text: string) => [{ index: 0, id: null, type: 'function', function: { name: null, arguments: text } }]

function* vllm(made: Made, asked: Asked): Generator<string> {
  for (const { step, usage, isFirst, isLast } of walk(made)) {
    const { choice: index, text, isTool } = step
    const end = isLast ? { finish_reason: 'stop', stop_reason: null } : { finish_reason: null }
    if (made.operation === 'chat' && isFirst) {
      const { prompt_tokens } = usage
      yield compact({
        ...base(made),
        choices: [{ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
        ...(asked.partial ? { usage: { prompt_tokens, total_tokens: prompt_tokens, completion_tokens: 0 } } : {}),
        prompt_token_ids: null,
        prompt_text: null
      })
    }
    const delta = isTool ? { tool_calls: toolOf(text) } : { content: text }
    yield compact({
      ...base(made),
      choices: [
        made.operation === 'chat' ? { index, delta, logprobs: null, ...end } : { index, text, logprobs: null, ...end }
      ],
      ...(asked.partial ? { usage } : {}),
      ...(!asked.final && isLast && made.fingerprint !== null ? { system_fingerprint: made.fingerprint } : {})
    })
  }
  if (!asked.final) return
  const details = made.cached === null ? {} : { prompt_tokens_details: { cached_tokens: made.cached } }
  const reasoning = { completion_tokens_details: { reasoning_tokens: made.reasoning } }
  yield compact({
    ...base(made),
    choices: [],
    usage: { ...total(made), ...details, ...reasoning },
    ...(made.fingerprint === null ? {} : { system_fingerprint: made.fingerprint })
  })
}

function* sglang(made: Made, asked: Asked): Generator<string> {
  const isChat = made.operation === 'chat'
  const nulls = { prompt_tokens_details: null, reasoning_tokens: made.reasoning }
  const plain = (index: number, delta: object, end: object, usage?: object) =>
    compact({
      ...base(made),
      choices: [{ index, delta, logprobs: null, ...end }],
      ...(usage === undefined ? {} : { usage })
    })
  const none = { finish_reason: null, matched_stop: null }
  const stop = { finish_reason: 'stop', matched_stop: 2 }
  for (const { step, usage, isFirst, isLast } of walk(made)) {
    const { choice: index, text, isTool } = step
    const shown = { ...usage, ...nulls }
    if (isChat && isFirst) yield plain(index, { reasoning_content: null, role: 'assistant', content: '' }, none)
    if (!isChat) {
      const choice = { index, text, logprobs: null, ...(isLast ? stop : none) }
      yield compact({ ...base(made), choices: [choice], usage: asked.partial ? shown : null })
    } else if (isTool) {
      const delta = { role: null, content: null, reasoning_content: null, tool_calls: toolOf(text) }
      const choice = { index, delta, logprobs: null, ...none }
      yield compact({ ...base(made), choices: [choice], usage: asked.partial ? shown : null })
    } else yield plain(index, { reasoning_content: null, content: text }, none, asked.partial ? shown : undefined)
    if (isChat && isLast) yield plain(index, { reasoning_content: null }, stop)
  }
  if (!asked.final) return
  const cached = made.cached === null ? null : { cached_tokens: made.cached }
  const usage = { ...total(made), prompt_tokens_details: cached, reasoning_tokens: made.reasoning }
  yield compact({ ...base(made), choices: [], usage })
}

function* lmdeploy(made: Made, asked: Asked): Generator<string> {
  for (const { step, isLast } of walk(made)) {
    const { choice: index, text, isTool } = step
    const delta = isTool ? { role: 'assistant', tool_calls: toolOf(text) } : { role: 'assistant', content: text }
    const end = isLast ? { finish_reason: 'stop' } : {}
    const choice = made.operation === 'chat' ? { index, delta, ...end } : { index, text, ...end }
    yield `data: ${dumps({ ...base(made), choices: [choice], ...(asked.final ? { usage: null } : {}) })}\n\n`
  }
  if (!asked.final) return
  const details = made.cached === null ? {} : { prompt_tokens_details: { cached_tokens: made.cached } }
  const chunk = {
    ...base(made),
    choices: [],
    usage: { ...total(made), ...details, completion_tokens_details: { reasoning_tokens: made.reasoning } }
  }
  yield made.operation === 'chat' ? compact(chunk) : `data: ${dumps(chunk)}\n\n`
}

function* openai(made: Made, asked: Asked): Generator<string> {
  for (const { step, isLast } of walk(made)) {
    const { choice: index, text, isTool } = step
    const delta = isTool ? { tool_calls: toolOf(text) } : { content: text }
    const choice =
      made.operation === 'chat'
        ? { index, delta, logprobs: null, finish_reason: isLast ? 'stop' : null }
        : { index, text, finish_reason: null }
    yield compact({
      ...base(made),
      system_fingerprint: 'fp_1',
      choices: [choice],
      ...(asked.final ? { usage: null } : {})
    })
  }
  if (!asked.final) return
  const usage = {
    ...total(made),
    prompt_tokens_details: { cached_tokens: made.cached ?? 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: made.reasoning, audio_tokens: 0 }
  }
  yield compact({ ...base(made), system_fingerprint: 'fp_1', choices: [], usage })
}

const WRITERS = { vllm, sglang, lmdeploy, openai }
