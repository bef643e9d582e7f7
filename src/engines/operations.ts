/** What kind of work a call asks of an engine: `infer:text`, `infer:multimodal`, or none of the two. */
export type CallKind = 'text' | 'multimodal' | 'none'

/** What a route asks an engine to do, the same for every engine that has it. */
export interface Operation {
  /** What the call is when its body has nothing but text; `multimodal` when it never has text alone. */
  readonly kind: CallKind
  /** Where the name of the model stands: in the JSON body, the form, the path, the events of a WebSocket, or nowhere. */
  readonly model: 'body' | 'form' | 'path' | 'events' | 'none'
  /** Whether `stream: true` brings server-sent events. */
  readonly streams: boolean
}

const text = { kind: 'text', model: 'body' } as const

/** Every operation that the gate understands. The keys are what the audit log calls them. */
export const OPERATIONS = {
  chat: { ...text, streams: true },
  completions: { ...text, streams: true },
  responses: { ...text, streams: true },
  messages: { ...text, streams: true },
  count_tokens: { ...text, streams: false },
  embeddings: { ...text, streams: false },
  embed: { ...text, streams: false },
  rerank: { ...text, streams: false },
  score: { ...text, streams: false },
  classify: { ...text, streams: false },
  pooling: { ...text, streams: false },
  tokenize: { ...text, streams: false },
  detokenize: { ...text, streams: false },
  transcription: { kind: 'multimodal', model: 'form', streams: true },
  translation: { kind: 'multimodal', model: 'form', streams: true },
  generate: { kind: 'text', model: 'none', streams: true },
  realtime: { kind: 'multimodal', model: 'events', streams: false },
  models: { kind: 'none', model: 'none', streams: false },
  model: { kind: 'none', model: 'path', streams: false },
  limits: { kind: 'none', model: 'none', streams: false },
  usage: { kind: 'none', model: 'none', streams: false }
} as const satisfies Record<string, Operation>

/** The name of an operation. */
export type OperationName = keyof typeof OPERATIONS

/** Operations whose answer is text that a model generates token by token, counted so by its engine. */
export const GENERATES: ReadonlySet<string> = new Set(['chat', 'completions', 'responses', 'messages', 'generate'])
/** Those that generate text from sound. */
export const HEARS: ReadonlySet<string> = new Set(['transcription', 'translation'])
/** Those whose model reads text, and whose answers are no text. */
export const READS: ReadonlySet<string> = new Set(['embeddings', 'embed', 'rerank', 'score', 'classify', 'pooling'])
/** Those of an engine whose tokens no engine counts. */
export const UNCOUNTED: ReadonlySet<string> = new Set(['tokenize', 'detokenize', 'count_tokens', 'realtime'])

/**
 * Everything that an engine is known to serve, as data (engines.md section 1). A route is written `METHOD /path`;
 * `{name}` stands for one segment, a `*` at the end for whatever follows.
 */
export interface EngineTable {
  /** Passed on to the engine when the token allows the operation. */
  readonly serves: Readonly<Partial<Record<OperationName, readonly string[]>>>
  /** Answered by the gate itself, or asked by it: health, metrics, lists of models. Never passed on. */
  readonly gate: readonly string[]
  /** Not passed on unless `access.routes` opens it: what it is, and the routes. */
  readonly closed: readonly Closed[]
  /** Never passed on, whatever the token or the configuration says: what it is, and the routes. */
  readonly never: Readonly<Record<string, readonly string[]>>
  /** What its own key guards; null where that is not known. */
  readonly key: EngineKey | null
  /** By what it is recognised. */
  readonly signs: EngineSigns
}

/** What is said of routes that tell about the engine and change nothing. */
export const DESCRIPTION = 'a description of the engine'

/** What an engine's own key guards (engines.md section 1): never its whole surface. */
export interface EngineKey {
  /** The beginnings of the paths that it guards; `/` is every path. */
  readonly guards: readonly string[]
  /** The beginnings of those among them that it leaves open. */
  readonly open: readonly string[]
  /** `first`: by a middleware, whatever the method. `handler`: by the route's own code, after the body has been read. */
  readonly checked: 'first' | 'handler'
  readonly guardsWebSockets: boolean
  /** The flag of a second key, for administration alone: it may guard there although the rest is open. */
  readonly adminFlag: string | null
}

/** By what an engine that runs is recognised, and how it treats a method that a route does not have. */
export interface EngineSigns {
  /** `owned_by` in its list of models. */
  readonly ownedBy: string | null
  /** Where it says its version without running anything, and the member of the answer. */
  readonly version: { readonly path: string; readonly member: string } | null
  /** Whether each of its routes refuses other methods than its own before any of its code runs. */
  readonly keepsToMethods: boolean
}

/** Routes that an operator may open. */
export interface Closed {
  /** What they are, in two or three words. */
  readonly what: string
  readonly routes: readonly string[]
  /** What the gate knows of them when they are open; without it they pass as they are. */
  readonly operation?: OperationName
}
