import type { Client, Identity, Issue, Upgrade } from './caller.ts'
import type { CallKind } from './engines/operations.ts'
import type { Target } from './engines/target.ts'
import { GateError } from './errors.ts'
import type { Ms } from './time.ts'
import type { CallSize } from './tokens/call-size.ts'
import { EngineTime } from './tokens/engine-time.ts'
import type { Bytes } from './units.ts'
import type { Reporting, Tap, Usage } from './usage.ts'

export type { Ban, ClaimedLimits, Client, Identity, Issue, Operator, Upgrade } from './caller.ts'
export type { Target } from './engines/target.ts'
export type { GuessedNumber, Reporting, Tap, Usage } from './usage.ts'

/**
 * The wire dialect of a path, which decides the shape of errors. `responses` is OpenAI's with named events, `oauth` that of
 * RFC 6749 section 5.2.
 */
export type Dialect = 'openai' | 'responses' | 'anthropic' | 'oauth'

/** What is asked, written by `inspect`. */
export interface Call {
  /** What is asked for, by the names of `engines/operations.ts`: `chat`, `models`, …; or a configured route's path. */
  readonly operation: string
  readonly method: string
  /** The constant path that the engine will see. Never the client's bytes. */
  readonly path: string
  readonly kind: CallKind
  /** The scope that a configured route demands, or null. */
  readonly routeScope: string | null
  /** The pool that a configured route names, or null when the team's pools decide. */
  readonly routePool: string | null
  /** The model after aliases, or null for calls without a model. */
  readonly model: string | null
  /** The model as the caller wrote it. */
  readonly modelAsked: string | null
  readonly isStream: boolean
}

/** Where a member of the outermost object of a JSON text stands: its name from `nameAt`, its value from `start` up to `end`. */
export interface Span {
  readonly nameAt: number
  readonly start: number
  readonly end: number
}

/** A JSON body that has been read: its bytes as they came, where each member stands in them, and what they say. */
export interface Content {
  readonly bytes: Buffer
  /** In the order of the text. */
  readonly members: ReadonlyMap<string, Span>
  readonly fields: Readonly<Record<string, unknown>>
}

/** A form with at most one file, as the audio routes take it. */
export interface Form {
  /** Values as they were sent, in order. Only a name that ends with `[]` has more than one. */
  readonly fields: ReadonlyMap<string, readonly string[]>
  readonly file: FormFile | null
}

/** The one part with a file name. */
export interface FormFile {
  readonly name: 'file'
  /** As the caller sent it, fit for nothing but to be written anew. */
  readonly filename: string
  /** Lower case, without parameters. */
  readonly type: string
  readonly bytes: Buffer
}

/** The body as the engine will see it. */
export interface Outgoing {
  readonly bytes: Buffer
  readonly type: string
}

/** A call's place in a pool, from `route` to its end: what `forward` tells of the target, and where it asks for another. */
export interface Lease {
  readonly target: Target
  /** Whether the target lets calls wait, by what it has said of its work last; null where it says nothing. */
  readonly isEngineFull: boolean | null
  /** The target answered with this status, before its first byte. @param retryAfterSec for how long it wants no more */
  answered(status: number, retryAfterSec: number | null): void
  /** A piece of the answer came. */
  progressed(): void
  /** The target gave no answer. */
  failed(error: GateError): void
  /**
   * Moves to a target that has not been tried, for a call that no engine can have begun. The same one is tried once more
   * when there is no other.
   * @returns null when there is none, or too much was tried again of late
   */
  move(): Target | null
  /**
   * Gives the place back. Once, however the call ended.
   * @param ended what it has used, and whether it was refused; undefined when it was never begun
   */
  release(ended?: Pick<Exchange, 'usage' | 'status' | 'failure'>): void
}

/** What a call has drawn from its limits, from `limit` to the way out. */
export interface Reservation {
  /** Puts what was used in the place of what was reserved. Once, however the call ended. */
  settle(exchange: Exchange): void
}

/** Memory that is counted for a call, from `inspect` until nothing needs it any more. */
export interface Hold {
  /** May be called more than once. */
  release(): void
}

/**
 * How an exchange ended.
 *
 * `answered`: the whole answer, or the whole refusal, was handed to the socket.
 * `broken`: the engine failed after the first byte; the caller was told by an error event or a cut connection.
 * `client_left`: the caller's connection closed first.
 */
export type Ending = 'answered' | 'broken' | 'client_left'

/** A try that came to nothing, after which the call was sent once more. */
export interface FailedTry {
  readonly target: Target
  readonly error: GateError
}

/** What an exchange begins with. */
export interface ExchangeInit {
  readonly id: string
  readonly startedAtMs: Ms
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly upgrade?: Upgrade | null
}

/**
 * One request, from its first header to the close of its connection.
 *
 * Each room writes its own product once; a room that reads a product before the room that writes it has run is
 * told so by `TOLLGATE_STAGE_ORDER`, never by `undefined`.
 */
export class Exchange {
  readonly id: string
  readonly startedAtMs: Ms
  readonly method: string
  /** The path as it came, without the query. */
  readonly path: string
  /** Set when the caller asks for a WebSocket on a route that is one. */
  readonly upgrade: Upgrade | null
  /** Set when the engine's first answer byte has been passed on. */
  firstByteAtMs: Ms | null = null
  endedAtMs: Ms | null = null
  bytesIn: Bytes = 0
  bytesOut: Bytes = 0
  status: number | null = null
  ending: Ending | null = null
  /** The body as it was read, from `inspect` to `shape`; null for calls without one, and when `shape` is done with it. */
  content: Content | null = null
  /** The form as it was read, likewise. */
  form: Form | null = null
  /** The body as the engine will see it, written by `shape`; null for calls without one. */
  outgoing: Outgoing | null = null
  /** The memory that its body takes; null for calls without one. */
  hold: Hold | null = null
  /** Written by `limit`; null for calls that nothing limits. */
  reservation: Reservation | null = null
  /** Limits in shadow that would have refused it, for the log. */
  shadowed: readonly string[] = []
  /** How usage is asked for, written by `shape`; null where none is read. */
  reporting: Reporting | null = null
  /** Placed by `meter` before the call goes out; null where nothing is read. */
  tap: Tap | null = null
  /** What it asks an engine to read and to write, written by `inspect`; null for calls without a body. */
  size: CallSize | null = null
  /** How long an engine has worked on it, written by `forward`. */
  readonly engineTime = new EngineTime()
  /**
   * What the call has used, written by the first finalizers. Complete for every call that an engine took and that reads or
   * generates text: what the engine has not told is estimated. Null where no engine took it.
   */
  usage: Usage | null = null
  /** The pool has `usage: off`: what limits and queue go by is for no log, no ledger and no metric. */
  isUsageOff = false
  /** The part of it that the engine itself has told, written likewise; null where nothing is read. */
  reported: Usage | null = null
  /** Bytes of the text that a model has made, written on the way out; null where they were not counted. */
  contentBytes: Bytes | null = null
  /** Events that brought a token of the model but no text, written likewise. */
  bareEvents = 0
  /** Number of the call in the ledger, from `charge` on; null for one that goes to no engine or is not written down. */
  opened: number | 'lost' | null = null
  /** Events of the answer that could not be read, written on the way out. */
  unreadEvents = 0
  /** Fields of the body that the engine does not get, for the log. */
  removed: readonly string[] = []
  /** The place in the pool, from `route` on; null for calls that go to no engine. */
  lease: Lease | null = null
  /** The token that is asked for, written by `mint`; null for everything else. */
  issue: Issue | null = null
  /** How often the call was sent on its way. */
  attempts = 0
  /** Those before the last one, written by `forward`. */
  failedTries: readonly FailedTry[] = NONE
  /** The error that refused or broke the request, with its private detail. */
  failure: GateError | null = null
  /** A stopwatch in one number: below zero while it runs, and then what of the monotonic clock is not the gate's own time. */
  #ownMs: Ms = -performance.now()
  #client: Client | undefined
  #identity: Identity | undefined
  #call: Call | undefined
  #target: Target | undefined

  constructor(init: ExchangeInit) {
    this.id = init.id
    this.startedAtMs = init.startedAtMs
    this.method = init.method
    this.path = init.path
    this.upgrade = init.upgrade ?? null
  }

  /** @throws TOLLGATE_STAGE_ORDER when read before `identify` has run. */
  get client(): Client {
    return this.#client ?? early('client')
  }
  set client(value: Client) {
    this.#client = value
  }

  /** @throws TOLLGATE_STAGE_ORDER when read before `authenticate` has run. */
  get identity(): Identity {
    return this.#identity ?? early('identity')
  }
  set identity(value: Identity) {
    this.#identity = value
  }

  /** @throws TOLLGATE_STAGE_ORDER when read before `inspect` has run. */
  get call(): Call {
    return this.#call ?? early('call')
  }
  set call(value: Call) {
    this.#call = value
  }

  /** @throws TOLLGATE_STAGE_ORDER when read before `route` has run. */
  get target(): Target {
    return this.#target ?? early('target')
  }
  set target(value: Target) {
    this.#target = value
  }

  /**
   * The gate's own time with the call: from its head to its first going out, without what it waited for others. Null for one
   * that has not gone out.
   */
  get ownMs(): Ms | null {
    return this.#ownMs < 0 ? null : this.#ownMs
  }

  /** It has waited so long for a place, or for what gates share. */
  waited(tookMs: Ms): void {
    if (this.#ownMs < 0) this.#ownMs -= tookMs
  }

  /** It is on its way to an engine. What it does from now on is not counted. */
  wentOut(): void {
    if (this.#ownMs < 0) this.#ownMs = Math.max(0, this.#ownMs + performance.now())
  }

  /** For the way out, which runs whatever happened on the way in. */
  get known(): Known {
    return { client: this.#client, identity: this.#identity, call: this.#call, target: this.#target }
  }
}

/** What the rooms that did run have written. */
export interface Known {
  readonly client: Client | undefined
  readonly identity: Identity | undefined
  readonly call: Call | undefined
  readonly target: Target | undefined
}

const NONE: readonly FailedTry[] = []

function early(product: string): never {
  throw new GateError('TOLLGATE_STAGE_ORDER', { product })
}
