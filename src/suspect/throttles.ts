import { LRUCache } from 'lru-cache'
import { GateError } from '../errors.ts'
import type { Ms } from '../time.ts'

const MAX_THROTTLED = 10_000

interface Throttle {
  readonly kind: string
  readonly untilMs: Ms
}

/** Who is refused for a while. Bounded, and without a clock of its own: what is over is found when somebody asks. */
export class Throttles {
  readonly #byKey: LRUCache<string, Throttle>

  constructor(max = MAX_THROTTLED) {
    this.#byKey = new LRUCache({ max })
  }

  /** Whether anybody may be refused: where not, nobody needs to ask. */
  get isEmpty(): boolean {
    return this.#byKey.size === 0
  }

  get size(): number {
    return this.#byKey.size
  }

  add(key: string, throttle: Throttle): void {
    this.#byKey.set(key, throttle)
  }

  /** @throws TOLLGATE_SUSPECT_THROTTLED with what is left of it */
  check(key: string, nowMs: Ms): void {
    const found = this.#byKey.peek(key)
    if (found === undefined) return
    const leftMs = found.untilMs - nowMs
    if (leftMs <= 0) {
      this.#byKey.delete(key)
      return
    }
    throw new GateError(
      'TOLLGATE_SUSPECT_THROTTLED',
      { reason: found.kind },
      { retryAfterSec: Math.ceil(leftMs / 1000) }
    )
  }

  clear(): void {
    this.#byKey.clear()
  }
}
