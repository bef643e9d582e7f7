import type { Ms } from '../time.ts'

/** How many probes it takes to believe them. */
export interface HealthOptions {
  /** So many in a row must fail before a target is out. */
  readonly fall: number
  /** So many in a row must pass before it is back. */
  readonly rise: number
}

/** So many calls in a row must fail before their headers, or break off. */
const FAILURES = 3
/** Of those, so many of one team count at most: what fails may be its prompt. */
const OF_ONE_TEAM = 2
const FIRST_EJECTION_MS: Ms = 10_000
const MAX_EJECTION_MS: Ms = 300_000
/** A trial that has not ended after so long does not keep others from trying. */
const TRIAL_MS: Ms = 10_000

/** A call that failed, as far as it is evidence. */
export interface FailedCall {
  /** Whose call it was, where what it asks for may be the reason; null where it cannot be: no connection came about. */
  readonly team: string | null
  /** It was the one call that tries a target that is out. */
  readonly isTrial: boolean
}

/**
 * What is known of one target: by the calls that it got, by the probes that it answers, and by what it says of itself.
 *
 * Three failures in a row, before the headers or in the middle of answers, eject it for 10 s, doubled each time up to 300 s; then
 * one call tries it. Failures of one team alone never do, unless no connection came about.
 * Progress on its streams is as good as an answer: an engine that writes tokens is alive, whatever its probes say.
 * Arithmetic alone: the clock is the caller's, and so is the decision to eject, which hangs on the others of the pool.
 */
export class Health {
  options: HealthOptions
  #failures = 0
  /** Team → how many of those failures were of its calls. */
  readonly #failuresOf = new Map<string, number>()
  #ejections = 0
  #isEjected = false
  #outSinceMs: Ms = 0
  #outUntilMs: Ms = 0
  #backSinceMs: Ms = 0
  #trialUntilMs: Ms = 0
  #probesFailed = 0
  #probesPassed = 0
  #isDown = false
  #hasProgressed = false

  constructor(options: HealthOptions) {
    this.options = options
  }

  /** `up`: send calls. `trial`: one call may try it. `out`: none, while others are there. */
  stateAt(nowMs: Ms): 'up' | 'trial' | 'out' {
    if (this.#isDown) return 'out'
    if (!this.#isEjected) return 'up'
    return nowMs < this.#outUntilMs || nowMs < this.#trialUntilMs ? 'out' : 'trial'
  }

  /** True while failed calls keep it out, as opposed to probes. */
  get isEjected(): boolean {
    return this.#isEjected
  }

  /** Since when it is out. Means something only while it is. */
  get outSinceMs(): Ms {
    return this.#outSinceMs
  }

  /** The call that tries it goes to it now. */
  beginTrial(nowMs: Ms): void {
    this.#trialUntilMs = nowMs + TRIAL_MS
  }

  /** The call that tried it ended without an answer of its own: the next one may try. */
  endTrial(): void {
    this.#trialUntilMs = 0
  }

  /** A call failed before its headers, or its answer broke off. @returns true when that is one too many */
  failed({ team, isTrial }: FailedCall): boolean {
    // Calls that were there when it was put out tell nothing new; one that tries it does.
    if (this.#isEjected && !isTrial) return false
    if (this.#failures === 0) this.#failuresOf.clear()
    if (this.#isEjected) this.endTrial()
    if (team !== null && !this.#isNewOf(team)) return false
    this.#failures++
    // One trial is enough where it is not about one team, two of different teams otherwise.
    const enough = this.#isEjected ? (team === null ? 1 : OF_ONE_TEAM) : FAILURES
    return this.#failures >= enough
  }

  /** Puts it out, for longer each time. @returns for how long */
  eject(nowMs: Ms): Ms {
    // Five minutes without trouble, and what was before is forgotten.
    if (!this.#isEjected && nowMs - this.#backSinceMs > MAX_EJECTION_MS) this.#ejections = 0
    const forMs = Math.min(FIRST_EJECTION_MS * 2 ** this.#ejections, MAX_EJECTION_MS)
    this.#ejections++
    if (!this.#isEjected && !this.#isDown) this.#outSinceMs = nowMs
    this.#isEjected = true
    this.#outUntilMs = nowMs + forMs
    this.#trialUntilMs = 0
    this.#failures = 0
    return forMs
  }

  /** A call got an answer that is no failure of the engine. @returns true when that brought it back */
  succeeded(nowMs: Ms): boolean {
    this.progressed()
    if (!this.#isEjected && !this.#isDown) return false
    this.#isEjected = false
    this.#isDown = false
    this.#probesFailed = 0
    this.#outUntilMs = 0
    this.#trialUntilMs = 0
    this.#backSinceMs = nowMs
    return true
  }

  /** A piece of an answer came. Called for every event of every stream: two stores. */
  progressed(): void {
    this.#failures = 0
    this.#hasProgressed = true
  }

  /** A probe was answered, or was not. @returns what changed by it */
  probed(isWell: boolean, nowMs: Ms): 'down' | 'up' | null {
    const passed = isWell || this.#hasProgressed
    this.#hasProgressed = false
    if (!passed) {
      this.#probesPassed = 0
      if (++this.#probesFailed < this.options.fall || this.#isDown) return null
      if (!this.#isEjected) this.#outSinceMs = nowMs
      this.#isDown = true
      return 'down'
    }
    this.#probesFailed = 0
    if (!this.#isDown || ++this.#probesPassed < this.options.rise) return null
    this.#probesPassed = 0
    this.#isDown = false
    this.#backSinceMs = nowMs
    return 'up'
  }

  /** Counts a failure of a team. @returns false when it has as many as count; while one tries, one of each team does */
  #isNewOf(team: string): boolean {
    const most = this.#isEjected ? 1 : OF_ONE_TEAM
    const count = this.#failuresOf.get(team) ?? 0
    if (count >= most) return false
    // Where it cannot be put out, failures go on.
    if (this.#failuresOf.size < FAILURES) this.#failuresOf.set(team, count + 1)
    return true
  }
}
