import { verdictOf } from '../engines/table.ts'
import { targetName } from '../engines/target.ts'
import { GateError } from '../errors.ts'
import type { Call, Lease, Target } from '../exchange.ts'
import type { Ms, NowMs } from '../time.ts'
import { leastLoaded, nextInTurn, ofSession } from './balance.ts'
import { RetryBudget } from './budget.ts'
import { type Entry, type LeasePool, PoolLease } from './lease.ts'
import type { PoolOptions } from './options.ts'
import { Queue, type QueueDeps } from './queue.ts'
import { TargetState } from './target-state.ts'

/** What a pool needs of its surroundings. */
export interface PoolDeps {
  readonly nowMs: NowMs
  /** From 0 up to 1. */
  readonly random: () => number
  /** The models that the pool's engines said they serve, or null before they have said so. */
  readonly learned: (pool: string) => readonly string[] | null
  /** Whether it is known where a target's name leads; always, unless given. */
  readonly isResolved?: (target: Target) => boolean
  /** Told how long each call waited for a place, however that ended. */
  readonly onWaited?: QueueDeps['onWaited']
  /** Told of a target at which calls of one team fail: whether it is well must be asked of itself. */
  readonly onSuspected?: ((state: TargetState, error: GateError) => void) | undefined
  readonly log: { warn(facts: object, message: string): void; info(facts: object, message: string): void }
}

/** Failures before a request is on a connection: nothing that a caller sends is their reason. */
const CONNECTION_CODES: ReadonlySet<string> = new Set([
  'TOLLGATE_FORWARD_UNREACHABLE',
  'TOLLGATE_FORWARD_CONNECT',
  'TOLLGATE_FORWARD_TLS'
])

/**
 * The engines of one pool: which of them takes a call, and how many calls they take together.
 * Lives as long as its name stands in the configuration; a reload changes its options and keeps what is known of its targets.
 */
export class Pool implements LeasePool {
  readonly name: string
  readonly queue: Queue<Entry, Lease>
  readonly budget = new RetryBudget()
  readonly #deps: PoolDeps
  #options: PoolOptions
  #targets: readonly TargetState[] = []
  #configured: ReadonlySet<string> | null = null
  #learnedFrom: readonly string[] | null = null
  #learned: ReadonlySet<string> = new Set()
  /** Those that may take the call that is being placed; one list for all calls, because a new one for each is work. */
  readonly #up: TargetState[] = []

  constructor(options: PoolOptions, deps: PoolDeps) {
    this.name = options.name
    this.queue = new Queue(options.queue, { ...deps, pool: options.name })
    this.#options = options
    this.#deps = deps
    this.configure(options)
  }

  /** Follows a new configuration. Calls that are running, and calls that wait, stay. */
  configure(options: PoolOptions): void {
    const before = new Map(this.#targets.map(state => [targetName(state.target), state]))
    const isSameEngine = options.engine === this.#options.engine
    this.#options = options
    this.queue.options = options.queue
    this.#configured = options.models === null ? null : new Set(options.models)
    this.#targets = options.targets.map(({ origin, address, weight, maxInflight }) => {
      const target = {
        pool: options.name,
        engine: options.engine,
        origin,
        ...(address === undefined ? {} : { address })
      }
      const known = isSameEngine ? before.get(targetName(target)) : undefined
      const state = known ?? new TargetState(target, options.health)
      state.weight = weight
      state.maxInflight = maxInflight
      state.isResolved = this.#deps.isResolved?.(target) ?? true
      state.health.options = options.health
      return state
    })
    const places = options.targets.reduce((sum, { maxInflight }) => sum + maxInflight, 0)
    this.queue.capacity = Math.min(options.maxInflight, places)
    this.admit()
  }

  get options(): PoolOptions {
    return this.#options
  }

  get targets(): readonly TargetState[] {
    return this.#targets
  }

  /** Null: not known yet. */
  serves(model: string): boolean | null {
    const models = this.#known()
    return models === null ? null : models.has(model)
  }

  /** Whether its engine has the route of a call: in its table, or opened by the operator and not forbidden there. */
  offers({ method, path, routeScope }: Call): boolean {
    const verdict = verdictOf(this.#options.engine, method, path)
    return routeScope === null ? verdict?.is === 'served' : verdict === null || verdict.is === 'closed'
  }

  models(): readonly string[] {
    return [...(this.#known() ?? [])]
  }

  /**
   * Takes a place; at once where there is one, else after a wait in the queue.
   * @throws (or rejects with) TOLLGATE_ROUTE_FULL, TOLLGATE_ROUTE_SHARE, TOLLGATE_ROUTE_LATE, TOLLGATE_ROUTE_BUSY
   */
  enter(entry: Entry): Lease | Promise<Lease> {
    // Whoever waits was here first.
    const lease = this.queue.size === 0 ? this.#place(entry) : null
    return lease ?? this.queue.wait(entry, entry.onLeave)
  }

  /** Another target for a call that was not begun, or null. @param tried that it has been at */
  other(entry: Entry, tried: ReadonlySet<TargetState>): TargetState | null {
    // Where there is no other, the same once more: a connection that had gone stale says nothing of its engine.
    return this.#choose(entry, tried) ?? (this.#targets.length === 1 ? (this.#targets[0] ?? null) : null)
  }

  /** Gives places to calls that wait, as far as there are any. */
  admit(): void {
    if (this.queue.size > 0) this.queue.admit(entry => this.#place(entry))
  }

  /**
   * A call got no answer of a target. The third in a row puts it out, but never more than half of the pool: for all where no
   * connection came about or several teams have met it, for one team where it is about what that team asks.
   */
  blame(state: TargetState, error: GateError, { team, isTrial }: { team: string; isTrial: boolean }): void {
    const isConnection = CONNECTION_CODES.has(error.code)
    if (!isConnection) this.#blameFor(team, state, error, isTrial)
    if (state.health.failed({ team: isConnection ? null : team, isTrial })) this.#eject(state, error)
  }

  /** A target at which calls of one team failed has not answered as one that is well. */
  confirm(state: TargetState, error: GateError): void {
    if (!state.health.isEjected) this.#eject(state, error)
  }

  /** A call got an answer of a target. */
  praise(state: TargetState, entry: Entry): void {
    const facts = { pool: this.name, target: targetName(state.target) }
    state.pauses.end(entry)
    if (state.clearFor(entry.team)) {
      this.#deps.log.info({ ...facts, team: entry.team }, 'upstream restored for one team')
      this.admit()
    }
    if (!state.health.succeeded(this.#deps.nowMs())) return
    this.#deps.log.info(facts, 'an engine is back')
    this.admit()
  }

  /** A target has asked for no more calls for a while. */
  pause(state: TargetState, { team, model }: Entry, { status, forMs }: { status: number; forMs: Ms }): void {
    const pausedMs = state.pauses.add({ team, model }, this.#deps.nowMs(), forMs)
    if (pausedMs === null) return
    const facts = { pool: this.name, target: targetName(state.target), team, model, status, forMs: pausedMs }
    this.#deps.log.info(facts, 'upstream asked for a pause')
  }

  #blameFor(team: string, state: TargetState, error: GateError, isTrial: boolean): void {
    const health = state.suspectFor(team)
    if (!health.failed({ team: null, isTrial: isTrial && health.isEjected })) return
    this.#deps.onSuspected?.(state, error)
    if (!this.#mayLeaveOut(state, other => other.health.isEjected || other.healthOf(team)?.isEjected === true)) return
    const forMs = health.eject(this.#deps.nowMs())
    this.#deps.log.info({ ...this.#facts(state, error), team, forMs }, 'upstream avoided for one team')
  }

  #eject(state: TargetState, error: GateError): void {
    if (!state.health.isEjected && !this.#mayLeaveOut(state, other => other.health.isEjected)) return
    const forMs = state.health.eject(this.#deps.nowMs())
    this.#deps.log.warn({ ...this.#facts(state, error), forMs }, 'an engine is left out')
  }

  /** No more than half of the pool is left out. */
  #mayLeaveOut(state: TargetState, isOut: (other: TargetState) => boolean): boolean {
    const out = this.#targets.filter(other => other !== state && isOut(other)).length
    return out + 1 <= Math.floor(this.#targets.length / 2)
  }

  #facts({ target }: TargetState, { code, detail }: GateError) {
    return { pool: this.name, target: targetName(target), code, cause: detail.cause }
  }

  #place(entry: Entry): Lease | null {
    const state = this.#choose(entry, null)
    if (state === null) return null
    this.budget.earn(entry.team)
    return new PoolLease(this, state, { entry, ticket: this.queue.begin(entry) })
  }

  /**
   * One that is up, else one that has asked for a pause, else one that is out: a limit is told by the engine itself, and by the
   * gate only when several engines have told it to calls of the same model and team.
   *
   * @param tried targets that do not count, for a call that has a place in the pool already
   * @returns null when there is no room
   * @throws TOLLGATE_ROUTE_BUSY
   */
  #choose(entry: Entry, tried: ReadonlySet<TargetState> | null): TargetState | null {
    const nowMs = this.#deps.nowMs()
    const up = this.#up
    let count = 0
    let trial: TargetState | null = null
    let leastRecent: TargetState | null = null
    let paused: TargetState | null = null
    let pausedUntilMs = Number.POSITIVE_INFINITY
    let pauses = 0
    let unresolved: TargetState | null = null
    let inFlight = 0
    for (const state of this.#targets) {
      inFlight += state.inFlight
      if (state.inFlight >= state.maxInflight || tried?.has(state)) continue
      if (!state.isResolved) {
        unresolved ??= state
        continue
      }
      const is = state.stateFor(entry.team, nowMs)
      const untilMs = is === 'out' ? 0 : state.pauses.until(entry, nowMs)
      if (untilMs > 0) {
        pauses++
        if (untilMs < pausedUntilMs) {
          pausedUntilMs = untilMs
          paused = state
        }
      } else if (is === 'up') up[count++] = state
      else if (is === 'trial') trial ??= state
      else if (leastRecent === null || state.outSinceFor(entry.team) < leastRecent.outSinceFor(entry.team))
        leastRecent = state
    }
    up.length = count
    if (tried === null && inFlight >= this.#options.maxInflight) return null
    if (trial !== null) {
      trial.beginTrial(entry.team, nowMs)
      return trial
    }
    if (up.length > 0) return this.#balance(up, entry)
    // Nothing else is there: its name may be resolved while the call waits for it.
    if (pauses === 0 && tried === null) leastRecent ??= unresolved
    if (pauses < 2 || leastRecent !== null || tried !== null) return paused ?? leastRecent
    const retryAfterSec = Math.ceil((pausedUntilMs - nowMs) / 1000)
    throw new GateError('TOLLGATE_ROUTE_BUSY', { pool: this.name, class: entry.class }, { retryAfterSec })
  }

  #balance(targets: readonly TargetState[], entry: Entry): TargetState {
    switch (this.#options.balance) {
      case 'least_inflight':
        return leastLoaded(targets, this.#deps.random)
      case 'round_robin':
        return nextInTurn(targets)
      case 'session': {
        const key = entry.session()
        return key === null ? leastLoaded(targets, this.#deps.random) : ofSession(targets, key)
      }
    }
  }

  #known(): ReadonlySet<string> | null {
    if (this.#configured !== null) return this.#configured
    const list = this.#deps.learned(this.name)
    if (list === null) return null
    if (list !== this.#learnedFrom) {
      this.#learnedFrom = list
      this.#learned = new Set(list)
    }
    return this.#learned
  }
}
