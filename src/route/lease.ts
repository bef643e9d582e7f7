import { GateError } from '../errors.ts'
import type { Lease, Target } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { RetryBudget } from './budget.ts'
import type { Ended } from './cost.ts'
import type { Party, Ticket } from './lane.ts'
import type { TargetState } from './target-state.ts'

/** Who asks for a place. */
export interface Entry extends Party {
  /** The hash of its session, or null when it has none. Asked for only where sessions matter. */
  readonly session: () => number | null
  /** Takes what must be called when the caller leaves. */
  readonly onLeave: (leave: () => void) => void
}

/** What a lease asks of its pool, and tells it. */
export interface LeasePool {
  readonly budget: RetryBudget
  other(entry: Entry, tried: ReadonlySet<TargetState>): TargetState | null
  admit(): void
  blame(state: TargetState, error: GateError): void
  praise(state: TargetState): void
  spare(state: TargetState, forMs: Ms): void
}

/** So often a call is sent on its way at most, the first time included. */
const MAX_ATTEMPTS = 3

/** A call's place in a pool, and what becomes known of its target by it. */
export class PoolLease implements Lease {
  readonly #pool: LeasePool
  readonly #entry: Entry
  readonly #ticket: Ticket | null
  #state: TargetState
  /** Made with the second attempt, which few calls need. */
  #tried: Set<TargetState> | null = null
  #attempts = 1
  #hasOutcome = false
  #isReleased = false

  /** Takes the place. @param state has room @param ticket null where nothing is charged */
  constructor(pool: LeasePool, state: TargetState, { entry, ticket }: { entry: Entry; ticket: Ticket | null }) {
    this.#pool = pool
    this.#state = state
    this.#entry = entry
    this.#ticket = ticket
    state.inFlight++
  }

  get target(): Target {
    return this.#state.target
  }

  answered(status: number, retryAfterSec: number | null): void {
    this.#hasOutcome = true
    if ((status === 429 || status === 503) && retryAfterSec !== null) {
      this.#pool.spare(this.#state, retryAfterSec * 1000)
    }
    // An engine that is full or shutting down says so; one that fails, or refuses the key of the pool, does not work.
    const isFailure = status === 401 || status === 403 || (status >= 500 && status !== 503)
    if (isFailure) this.#pool.blame(this.#state, new GateError('TOLLGATE_FORWARD_FAILED', { cause: status }))
    else this.#pool.praise(this.#state)
  }

  progressed(): void {
    this.#state.health.progressed()
  }

  failed(error: GateError): void {
    this.#hasOutcome = true
    this.#pool.blame(this.#state, error)
  }

  move(): Target | null {
    if (this.#attempts >= MAX_ATTEMPTS || this.#isReleased || !this.#pool.budget.spend()) return null
    this.#tried ??= new Set()
    this.#tried.add(this.#state)
    const next = this.#pool.other(this.#entry, this.#tried)
    if (next === null) return null
    this.#attempts++
    this.#hasOutcome = false
    this.#state.inFlight--
    this.#state = next
    next.inFlight++
    this.#pool.admit()
    return next.target
  }

  release(ended?: Ended): void {
    if (this.#isReleased) return
    this.#isReleased = true
    // A caller who left before an answer has proved nothing.
    if (!this.#hasOutcome) this.#state.health.endTrial()
    this.#state.inFlight--
    // Before the next is chosen, who may be of the same team.
    this.#ticket?.end(ended)
    this.#pool.admit()
  }
}
