import type { Ms } from '../time.ts'
import type { StoreFault } from './faults.ts'

/** How the store is, for whoever runs the gateway. */
export interface StoreStatus {
  /** `up`: it does what it is asked to, a write included. */
  readonly state: 'connecting' | 'up' | 'down'
  /** Why it is down. Holds no secret. */
  readonly why: string | null
  readonly fix: string | null
  /** What will be a trouble though the store answers. */
  readonly warnings: readonly string[]
}

/** What is told of the store, each thing once. */
export interface StoreEvents {
  /** It is down, or is so for another reason than before. */
  down(of: { readonly why: string; readonly fix: string }): void
  /** It is up after it was down. */
  up(): void
  warn(of: { readonly why: string; readonly fix: string }): void
}

/** Why it is not usable before anything is known. */
const NOT_YET = 'the connection to the store is not made yet'
/** Where causes take turns, none is told more often. */
const AGAIN_MS: Ms = 60_000

/** Keeps how the store is and why, and tells of changes: a cause once, and another when it lasts. */
export class StoreHealth {
  readonly #events: StoreEvents
  readonly #nowMs: () => Ms
  #state: StoreStatus['state'] = 'connecting'
  /** What failed last since the store has answered. */
  #fault: StoreFault | null = null
  /** Causes of this outage that were told, and when. */
  readonly #told = new Map<string, Ms>()
  #current: string | null = null
  #warnings = new Map<string, string>()

  /** @param nowMs a clock that only goes forward */
  constructor(events: StoreEvents, nowMs: () => Ms = () => performance.now()) {
    this.#events = events
    this.#nowMs = nowMs
  }

  get status(): StoreStatus {
    const { message = null, fix = '' } = this.#state === 'up' ? {} : (this.#fault ?? {})
    return { state: this.#state, why: message, fix: fix || null, warnings: [...this.#warnings.values()] }
  }

  /** Why the store cannot be asked now. */
  get reason(): string {
    return this.#fault?.message ?? NOT_YET
  }

  /** Something failed that may not matter: it is the cause if the store turns out to be down. */
  note(fault: StoreFault): void {
    this.#fault = fault
  }

  /** The store cannot be used. @param fault null for what was noted last */
  failed(fault: StoreFault | null): void {
    this.#state = 'down'
    this.#fault = fault ?? this.#fault
    if (this.#fault === null) return
    const { message: why, fix } = this.#fault
    const isFirst = this.#told.size === 0
    // Twice in a row: what comes in between, as a connection ends, is no cause of its own.
    const lasts = this.#current === why
    this.#current = why
    const toldMs = this.#told.get(why)
    const isNew = toldMs === undefined || (this.#nowMs() - toldMs >= AGAIN_MS && [...this.#told.keys()].at(-1) !== why)
    if (!isFirst && !(lasts && isNew)) return
    this.#told.delete(why)
    this.#told.set(why, this.#nowMs())
    this.#events.down({ why, fix })
  }

  /** A connection has ended. @param otherwise the cause where none was noted */
  lost(otherwise: StoreFault): void {
    this.failed(this.#fault ?? otherwise)
  }

  /** The store has done what it was asked to. */
  answered(): void {
    this.#fault = null
    this.#current = null
    if (this.#state === 'up') return
    this.#state = 'up'
    if (this.#told.size > 0) this.#events.up()
    this.#told.clear()
  }

  /** Something is wrong with a store that answers. @param kind of which there is one at a time @param of null for none */
  warn(kind: string, of: { readonly why: string; readonly fix: string } | null): void {
    if (of === null) {
      this.#warnings.delete(kind)
      return
    }
    if (this.#warnings.get(kind) === of.why) return
    this.#warnings.set(kind, of.why)
    this.#events.warn(of)
  }
}
