import { CODES, type GateErrorCode, type Row } from './codes.ts'

/** Facts about a refusal, for the log alone. `param`, when it is a string, names the field of the body for the caller too. */
export type Detail = Readonly<Record<string, unknown>>

/** What an engine said of a request, cleaned. What is null is said by the row of the code. */
export interface EngineSaid {
  readonly status: number
  readonly message: string | null
  readonly type: string | null
  readonly param: string | null
  readonly code: string | null
}

/** What an error carries besides its code and its detail. */
export interface GateErrorOptions extends ErrorOptions {
  readonly said?: EngineSaid
  /** Instead of the row's, for the caller: with facts that are his own. */
  readonly message?: string
  /** Instead of the row's. */
  readonly retryAfterSec?: number | undefined
}

/** What a caller is told of an error. */
export interface Told {
  readonly status: number
  readonly type: string
  readonly code: string
  readonly message: string
  readonly param: string | null
  readonly retryAfterSec: number | undefined
}

/**
 * A refusal or a failure, thrown by the rooms and answered by `refuse/` alone.
 *
 * `detail` never reaches a caller, except `detail.param`, `detail.scope` and `detail.allow`, which are the
 * gate's own words for a field, a scope or a method.
 */
export class GateError extends Error {
  override readonly name = 'GateError'
  readonly code: GateErrorCode
  readonly detail: Detail
  readonly #said: EngineSaid | undefined
  readonly #message: string | undefined
  readonly #retryAfterSec: number | undefined

  constructor(code: GateErrorCode, detail: Detail = {}, options?: GateErrorOptions) {
    super(CODES[code].message, options)
    this.code = code
    this.detail = detail
    this.#said = options?.said
    this.#message = options?.message
    this.#retryAfterSec = options?.retryAfterSec
  }

  /** The words for the caller: constant ones, what they name of his own, or what an engine said of the request. */
  get told(): Told {
    const { row } = this
    const { param } = this.detail
    return {
      status: this.#said?.status ?? row.status,
      type: this.#said?.type ?? row.type,
      code: this.#said?.code ?? row.code,
      message: this.#said?.message ?? this.#message ?? row.message,
      param: this.#said?.param ?? (typeof param === 'string' ? param : null),
      retryAfterSec: this.#retryAfterSec ?? row.retryAfterSec
    }
  }

  /** What the code means. */
  get row(): Row {
    return CODES[this.code]
  }
}
