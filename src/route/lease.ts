import { GateError } from '../errors.ts'
import type { Lease, Target } from '../exchange.ts'
import type { Ms } from '../time.ts'
import type { RetryBudget } from './budget.ts'
import type { Ended } from './cost.ts'
import type { Party, Ticket } from './lane.ts'
import type { TargetState } from './target-state.ts'

/** Who asks for a place. */
export interface Entry extends Party {
  /** The model that it asks for; null for calls without one. */
  readonly model: string | null
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
  blame(state: TargetState, error: GateError, call: { readonly team: string; readonly isTrial: boolean }): void
  praise(state: TargetState, entry: Entry): void
  pause(state: TargetState, entry: Entry, asked: { readonly status: number; readonly forMs: Ms }): void
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
  #isTrial: boolean
  #isReleased = false

  /** Takes the place. @param state has room @param ticket null where nothing is charged */
  constructor(pool: LeasePool, state: TargetState, { entry, ticket }: { entry: Entry; ticket: Ticket | null }) {
    this.#pool = pool
    this.#state = state
    this.#entry = entry
    this.#ticket = ticket
    this.#isTrial = state.claimTrial()
    state.inFlight++
  }

  get target(): Target {
    return this.#state.target
  }

  get isEngineFull(): boolean | null {
    const { load } = this.#state
    return load === null ? null : load.waiting > 0
  }

  answered(status: number, retryAfterSec: number | null): void {
    const isPushback = status === 429 || status === 503
    if (isPushback && retryAfterSec !== null) {
      this.#pool.pause(this.#state, this.#entry, { status, forMs: retryAfterSec * 1000 })
    }
    if (status < 400) {
      this.#hasOutcome = true
      this.#pool.praise(this.#state, this.#entry)
      return
    }
    // An engine that is full or shutting down says so, and one that refuses a body has not had to work on it: neither proves
    // that it works. One that fails, or refuses the key of the pool, does not.
    const isFailure = status === 401 || status === 403 || (status >= 500 && !isPushback)
    if (isFailure) this.failed(new GateError('TOLLGATE_FORWARD_FAILED', { cause: status }))
  }

  progressed(): void {
    this.#state.health.progressed()
  }

  failed(error: GateError): void {
    this.#hasOutcome = true
    this.#pool.blame(this.#state, error, { team: this.#entry.team, isTrial: this.#isTrial })
  }

  move(): Target | null {
    if (this.#attempts >= MAX_ATTEMPTS || this.#isReleased || !this.#pool.budget.spend(this.#entry.team)) return null
    this.#tried ??= new Set()
    this.#tried.add(this.#state)
    const next = this.#pool.other(this.#entry, this.#tried)
    if (next === null) return null
    this.#attempts++
    this.#endTrial()
    this.#hasOutcome = false
    this.#state.inFlight--
    this.#state = next
    this.#isTrial = next.claimTrial()
    next.inFlight++
    this.#pool.admit()
    return next.target
  }

  release(ended?: Ended): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#endTrial()
    this.#state.inFlight--
    // Before the next is chosen, who may be of the same team.
    this.#ticket?.end(ended)
    this.#pool.admit()
  }

  /** A caller who left before an answer has proved nothing, nor has one who was refused. */
  #endTrial(): void {
    if (this.#isTrial && !this.#hasOutcome) this.#state.endTrial(this.#entry.team)
  }
}
