import type { Class } from './classes.ts'
import { type Ended, GUESS, measuredCost, unmeasuredCost } from './cost.ts'
import { Heap } from './heap.ts'
import { Line, type Spot } from './line.ts'

/** Whose call it is, and what it counts. */
export interface Party {
  readonly team: string
  /** A team of weight 3 gets three times the tokens of one of weight 1. */
  readonly weight: number
  readonly class: Class
}

/** What one team has had, and what of it is there. */
interface Account<T> {
  readonly team: string
  weight: number
  /** The virtual token counter: weighted tokens that it has had, divided by its weight. */
  counter: number
  running: number
  readonly line: Line<T>
  /** What one of its calls costs on average, in weighted tokens. */
  mean: number
  /** In the order of events: when it was last given a place (0: not yet), and when it began to wait. */
  servedAt: number
  askedAt: number
}

/** A call that runs, and was charged what it may cost. */
export interface Ticket {
  /** Charges what it did cost instead. Once. @param ended undefined when nothing of it was begun */
  end(ended?: Ended): void
}

/** A place in the line of a team. */
export interface Waiting<T> {
  readonly account: Account<T>
  readonly spot: Spot<T>
}

/** How fast an average follows: the last eight calls count most. */
const FOLLOW = 1 / 8

/** So many teams that neither wait nor run are remembered, because they have had more than those that wait. */
const MAX_DEBTORS = 256

/**
 * One class of a pool's queue. Its teams are served by a virtual token counter (Sheng et al., arXiv 2401.00588): the one with
 * the lowest is next, and inside a team whoever came first. A call is charged an estimate when it begins, and what it was
 * when it ends.
 *
 * Whoever has nothing that waits is lifted to the lowest counter of those that wait when it asks: nobody saves up turns by
 * being away. A team that goes with more than the others is remembered until they have had as much, so that coming one call
 * at a time is no way around it; any other is forgotten at once. Coming, going and being served cost O(log n) of the teams
 * that wait, however many calls do.
 */
export class Lane<T> {
  /** Calls that wait, and calls that run. */
  waiting = 0
  running = 0
  /** For the order of classes: since when it waits without being served, and how often others were served meanwhile. */
  hungrySinceMs = 0
  passedOver = 0
  readonly #accounts = new Map<string, Account<T>>()
  /** The one that has been away longest first. */
  readonly #debtors = new Map<string, Account<T>>()
  readonly #waiting = new Heap<Account<T>>(isServedBefore)
  /** The highest counter at which somebody was served: where those stand who come when nobody waits. */
  #level = 0
  #events = 0
  #mean = GUESS

  /** Teams of which something is remembered. */
  get teams(): number {
    return this.#accounts.size + this.#debtors.size
  }

  /** How many calls of a team wait. */
  waitingOf(team: string): number {
    return this.#accounts.get(team)?.line.size ?? 0
  }

  /** Puts a call at the end of the line of its team. */
  join(party: Party, value: T): Waiting<T> {
    const account = this.#accountOf(party)
    if (account.line.size === 0) account.askedAt = ++this.#events
    const spot = account.line.join(value)
    this.waiting++
    if (account.line.size === 1) this.#waiting.settle(account)
    return { account, spot }
  }

  /** Takes a call out of its line, served or not. @param waiting once */
  leave({ account, spot }: Waiting<T>): void {
    account.line.leave(spot)
    this.waiting--
    if (account.line.size === 0) this.#waiting.delete(account)
    this.#forget(account)
  }

  /** The call that is served next. */
  next(): T | null {
    return this.#waiting.first?.line.first?.value ?? null
  }

  /** A call begins, out of its line or without having waited. */
  begin(party: Party): Ticket {
    const account = this.#accountOf(party)
    const estimate = account.mean
    const charged = estimate / account.weight
    this.#level = Math.max(this.#level, account.counter)
    account.servedAt = ++this.#events
    account.running++
    this.running++
    this.#charge(account, charged)
    return { end: ended => this.#end(account, { estimate, charged, ended }) }
  }

  /** The counter of a team; undefined when nothing is remembered of it. */
  counterOf(team: string): number | undefined {
    return (this.#accounts.get(team) ?? this.#debtors.get(team))?.counter
  }

  #end(account: Account<T>, call: { estimate: number; charged: number; ended: Ended | undefined }): void {
    const { estimate, charged, ended } = call
    const measured = ended === undefined ? null : measuredCost(ended.usage)
    if (measured !== null) {
      account.mean += (measured - account.mean) * FOLLOW
      this.#mean += (measured - this.#mean) * FOLLOW
    }
    const cost = ended === undefined ? 0 : (measured ?? unmeasuredCost(ended, estimate))
    account.running--
    this.running--
    this.#charge(account, cost / account.weight - charged)
    this.#forget(account)
  }

  #charge(account: Account<T>, amount: number): void {
    account.counter += amount
    if (account.line.size > 0) this.#waiting.settle(account)
  }

  #accountOf({ team, weight }: Party): Account<T> {
    let account = this.#accounts.get(team)
    if (account === undefined) {
      const debtor = this.#debtors.get(team)
      this.#debtors.delete(team)
      account = debtor !== undefined && debtor.counter > this.#floor ? debtor : this.#open(team, weight)
      this.#accounts.set(team, account)
    }
    // A reload may have changed it.
    account.weight = weight
    if (account.line.size === 0) account.counter = Math.max(account.counter, this.#floor)
    return account
  }

  #open(team: string, weight: number): Account<T> {
    const line = new Line<T>()
    return { team, weight, counter: 0, running: 0, line, mean: this.#mean, servedAt: 0, askedAt: 0 }
  }

  get #floor(): number {
    return this.#waiting.first?.counter ?? this.#level
  }

  #forget(account: Account<T>): void {
    const { team, counter, running, line } = account
    if (running > 0 || line.size > 0) return
    this.#accounts.delete(team)
    if (this.#accounts.size === 0) {
      // Nobody is there whom anybody could be owing.
      this.#debtors.clear()
      this.#level = 0
      return
    }
    const floor = this.#floor
    if (counter > floor) this.#debtors.set(team, account)
    for (const [team, { counter }] of this.#debtors) {
      if (counter > floor && this.#debtors.size <= MAX_DEBTORS) break
      this.#debtors.delete(team)
    }
  }
}

/** The one that has had least; then who has not been served for longer; then who has waited for longer. */
function isServedBefore(a: Account<unknown>, b: Account<unknown>): boolean {
  if (a.counter !== b.counter) return a.counter < b.counter
  return a.servedAt === b.servedAt ? a.askedAt < b.askedAt : a.servedAt < b.servedAt
}
