import type { IncomingHttpHeaders } from 'node:http'
import type { Said } from './fixtures.ts'

/** The engines that there is a double of. */
export const FLAVOURS = ['vllm', 'sglang', 'lmdeploy', 'swift'] as const
/** One of them. */
export type FlavourName = (typeof FLAVOURS)[number]

/** How a double is started. */
export interface FlavourOptions {
  readonly name: FlavourName
  /** The first is the base; others are adapters. */
  readonly models: readonly string[]
  /** The engine's own key, or null: it asks for none. */
  readonly key: string | null
}

/** A request before its body is read. */
export interface Head {
  readonly method: string
  /** Percent-decoded, as ASGI servers hand it on. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** A call of an operation. */
export interface Call extends Head {
  readonly operation: string
  /** The members of the JSON body, or the fields of the form. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** Which of its recorded streams an engine sends: without usage, with it at the end, or with it in every chunk. */
export type Habit = 'plain' | 'usage' | 'continuous'

/** In what one engine differs from the others. */
export interface Flavour {
  /** Judges the engine's own key before the body is read, where it is guarded at all. */
  checkKey(head: Head, key: string): Said | null
  /** Judges a call: its model, what is missing, and the key where the handler does it. */
  judge(call: Call, options: FlavourOptions): Said | null
  /** The model that the engine takes the call to be for. */
  modelOf(call: Call, options: FlavourOptions): string
  /** Whether the head of a stream comes before its first chunk. */
  readonly isEarly: boolean
  habit(call: Call): Habit
  /** Whether it stops working when its caller has gone. */
  notices(isStream: boolean): boolean
  /** Whether a stream that fails ends with an event and `[DONE]`, or just ends. */
  readonly saysWhenBroken: boolean
  /** What the call would do besides generating that `obeys.json` cannot say. */
  obeyed(call: Call, options: FlavourOptions): readonly string[]
}

/** What a body must have, by operation. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  chat: ['messages'],
  completions: ['prompt'],
  responses: ['input'],
  messages: ['max_tokens', 'messages'],
  count_tokens: ['messages']
}

/** The first member that a body lacks, or null. */
export function missingOf({ operation, fields }: Call): string | null {
  return REQUIRED[operation]?.find(name => fields[name] === undefined) ?? null
}

/** FastAPI's answer to a body that is not of its model. */
export function fastapi422(name: string, input: unknown): Said {
  return {
    status: 422,
    body: { detail: [{ type: 'missing', loc: ['body', name], msg: 'Field required', input }] }
  }
}

/** The members of an object of JSON, or of none. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** Whether a bearer is the engine's key. */
export function hasKey({ headers }: Head, key: string): boolean {
  return headers.authorization === `Bearer ${key}`
}

/** Whether the call is one of Anthropic's, whose errors have a shape of their own. */
export function isAnthropic({ path }: Head): boolean {
  return path.startsWith('/v1/messages')
}
