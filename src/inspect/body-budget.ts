import type { Hold } from '../exchange.ts'
import type { Bytes } from '../units.ts'

/** A body takes so much of memory at most: its pieces, their sum, what was edited of it, what is being written. */
const SHARE = 4
/** Short bodies are let in whatever there is: they are what most calls are made of. What they sum up to is for `server.overload`. */
const SHORT: Bytes = 64 * 1024

/**
 * Bounds the memory that bodies take together. Bytes count when they have come, not when they are promised: who declares
 * a long body and sends nothing of it takes nothing from others.
 */
export class BodyBudget {
  readonly #memoryBytes: () => Bytes
  #heldBytes: Bytes = 0

  /** @param memoryBytes what the process may use */
  constructor(memoryBytes: () => Bytes) {
    this.#memoryBytes = memoryBytes
  }

  /** What bodies take now. */
  get heldBytes(): Bytes {
    return this.#heldBytes
  }

  /** What they may take together. */
  get limitBytes(): Bytes {
    return this.#memoryBytes() / SHARE
  }

  /** Begins to count the bytes of one body. */
  open(): BodyHold {
    return new BodyHold(this)
  }

  /** Counts bytes that came, or, below zero, that are not needed any more. */
  count(bytes: Bytes): void {
    this.#heldBytes += bytes
  }
}

/** The bytes of one body, counted until they are not needed any more. */
export class BodyHold implements Hold {
  readonly #budget: BodyBudget
  #bytes: Bytes = 0
  #isReleased = false

  constructor(budget: BodyBudget) {
    this.#budget = budget
  }

  /** @returns false when no more may be held of this body */
  add(bytes: Bytes): boolean {
    if (this.#isReleased) return false
    this.#bytes += bytes
    this.#budget.count(bytes)
    return this.#bytes <= SHORT || this.#budget.heldBytes <= this.#budget.limitBytes
  }

  /** Counts this many bytes in the place of what was counted before. @returns false when no more may be held */
  set(bytes: Bytes): boolean {
    return this.add(bytes - this.#bytes)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#budget.count(-this.#bytes)
  }
}
