import type { Ms } from '../time.ts'
import { Bag, type Placed } from './bag.ts'

/**
 * Where things rest for a while before they may be used again: for the given time at least, for about twice as long at most.
 *
 * One timer for all of them, which runs while something rests, so that a thing costs the same however many there are.
 * A timer, and not a clock that is looked at: between its turn and whatever takes the thing, the event loop reads what has
 * come on every socket.
 */
export class Rest<T extends Placed> {
  readonly #restMs: Ms
  readonly #onRested: (thing: T) => void
  /** What came since the timer's last turn, and what came before it. */
  #late = new Bag<T>()
  #early = new Bag<T>()
  #timer: NodeJS.Timeout | null = null
  #isRunning = false

  /** @param onRested gets each thing when its rest is over */
  constructor(restMs: Ms, onRested: (thing: T) => void) {
    this.#restMs = restMs
    this.#onRested = onRested
  }

  /** @param thing is in no bag */
  add(thing: T): void {
    this.#late.add(thing)
    if (!this.#isRunning) this.#run()
  }

  /** Removes a thing; one that does not rest is left alone. */
  remove(thing: T): void {
    this.#late.remove(thing)
    this.#early.remove(thing)
  }

  /** What rests now; adding and removing meanwhile do no harm. */
  all(): readonly T[] {
    return [...this.#late.all(), ...this.#early.all()]
  }

  #run(): void {
    this.#isRunning = true
    // What rests is no reason for the process to go on.
    this.#timer ??= setTimeout(() => this.#turn(), this.#restMs).unref()
    this.#timer.refresh()
  }

  #turn(): void {
    for (let thing = this.#early.pop(); thing !== undefined; thing = this.#early.pop()) this.#onRested(thing)
    const rested = this.#early
    this.#early = this.#late
    this.#late = rested
    if (this.#early.size > 0) this.#run()
    else this.#isRunning = false
  }
}
