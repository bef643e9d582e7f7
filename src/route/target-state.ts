import { hash } from 'node:crypto'
import type { Target } from '../exchange.ts'
import { Health, type HealthOptions } from './health.ts'
import type { Load } from './load.ts'

/** Above this share of its cache an engine begins to put requests back. */
const CACHE_IS_FULL = 0.9

/** One target of a pool: what it is, and how it does. Lives on through reloads that do not change its address. */
export class TargetState {
  readonly target: Target
  readonly health: Health
  /** Differs for every target, and is the same in every gate. */
  readonly seed: number
  weight = 1
  maxInflight = Number.POSITIVE_INFINITY
  /** For round robin. */
  credit = 0
  /** Calls of this gate that are there now. */
  inFlight = 0
  #load: Load | null = null
  #inFlightThen = 0

  constructor(target: Target, health: HealthOptions) {
    this.target = target
    this.health = new Health(health)
    this.seed = Number.parseInt(hash('sha256', target.origin, 'hex').slice(0, 8), 16)
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
}
