import { hash } from 'node:crypto'
import { targetName } from '../engines/target.ts'
import type { Target } from '../exchange.ts'
import type { Ms } from '../time.ts'
import { Health, type HealthOptions } from './health.ts'
import type { Load } from './load.ts'
import { Pauses } from './pauses.ts'

/** Above this share of its cache an engine begins to put requests back. */
const CACHE_IS_FULL = 0.9
/** Teams whose calls fail here are remembered up to this number, the last ones. */
const MAX_TEAMS = 256

/** One target of a pool: what it is, and how it does. Lives on through reloads that do not change its address. */
export class TargetState {
  readonly target: Target
  readonly health: Health
  readonly pauses = new Pauses()
  /** Differs for every target, and is the same in every gate. */
  readonly seed: number
  weight = 1
  maxInflight = Number.POSITIVE_INFINITY
  /** False while it is not known where its name leads: it gets no call while another target can. */
  isResolved = true
  /** For round robin. */
  credit = 0
  /** Calls of this gate that are there now. */
  inFlight = 0
  #load: Load | null = null
  #inFlightThen = 0
  /** Team → what its own calls have met here, as long as they fail. */
  readonly #healthOf = new Map<string, Health>()
  #isTrialNext = false

  constructor(target: Target, health: HealthOptions) {
    this.target = target
    this.health = new Health(health)
    this.seed = Number.parseInt(hash('sha256', targetName(target), 'hex').slice(0, 8), 16)
  }

  /** What the engine said of itself last, or null when it did not. */
  get load(): Load | null {
    return this.#load
  }
  set load(value: Load | null) {
    this.#load = value
    this.#inFlightThen = this.inFlight
  }

  /**
   * How much one more call would have to share. Our own count is exact and instant; what the engine says adds the calls
   * of others, as they were then, and a cache that is full counts twice.
   */
  get pressure(): number {
    const load = this.#load
    if (load === null) return (this.inFlight + 1) / this.weight
    const all = Math.max(this.inFlight, load.running + load.waiting + this.inFlight - this.#inFlightThen)
    return ((all + 1) * (load.cacheUse > CACHE_IS_FULL ? 2 : 1)) / this.weight
  }

  /** Whether calls of a team should go here: it may be out for all, or for one team whose calls fail here. */
  stateFor(team: string, nowMs: Ms): 'up' | 'trial' | 'out' {
    const all = this.health.stateAt(nowMs)
    if (this.#healthOf.size === 0) return all
    const own = this.#healthOf.get(team)?.stateAt(nowMs) ?? 'up'
    if (all === 'out' || own === 'out') return 'out'
    return own === 'up' ? all : own
  }

  /** Since when it is out for a team. Means something only while it is. */
  outSinceFor(team: string): Ms {
    const own = this.#healthOf.get(team)
    return own?.isEjected === true && !this.health.isEjected ? own.outSinceMs : this.health.outSinceMs
  }

  /** What a team's own calls have met here; undefined when none has failed of late. */
  healthOf(team: string): Health | undefined {
    return this.#healthOf.get(team)
  }

  /** The same, from a call on that has failed. */
  suspectFor(team: string): Health {
    const known = this.#healthOf.get(team)
    const health = known ?? new Health(this.health.options)
    this.#healthOf.set(team, health)
    const [oldest] = this.#healthOf.keys()
    if (oldest !== undefined && this.#healthOf.size > MAX_TEAMS) this.#healthOf.delete(oldest)
    return health
  }

  /** A call of the team was answered. @returns true when that brought the target back for the team */
  clearFor(team: string): boolean {
    if (this.#healthOf.size === 0) return false
    const isBack = this.#healthOf.get(team)?.isEjected === true
    this.#healthOf.delete(team)
    return isBack
  }

  /** Teams for which alone it is out. */
  get teamsWithout(): number {
    let count = 0
    for (const { isEjected } of this.#healthOf.values()) if (isEjected) count++
    return count
  }

  /** The next call that is placed here tries it. */
  beginTrial(team: string, nowMs: Ms): void {
    if (this.health.stateAt(nowMs) === 'trial') this.health.beginTrial(nowMs)
    this.#healthOf.get(team)?.beginTrial(nowMs)
    this.#isTrialNext = true
  }

  /** @returns whether the call that is placed now is the one that tries it */
  claimTrial(): boolean {
    const isTrial = this.#isTrialNext
    this.#isTrialNext = false
    return isTrial
  }

  /** The call that tried it has proved nothing: the next one may. */
  endTrial(team: string): void {
    this.health.endTrial()
    this.#healthOf.get(team)?.endTrial()
  }
}
