import type { Ms, NowMs } from '../time.ts'
import type { Class } from './classes.ts'
import { type Ended, Habits, type Work } from './cost.ts'
import { Heap } from './heap.ts'
import { Line, type Spot } from './line.ts'

/** Whose call it is. */
export interface Party {
  readonly team: string
  /** A team of weight 3 gets three times the tokens of one of weight 1. */
  readonly weight: number
  readonly class: Class
  /** What its call is. Asked for only where calls may have to wait. */
  readonly work: () => Work
}

/** A call that runs. */
interface Run {
  readonly work: Work
  readonly sinceMs: Ms
  /** What its team was charged of it so far. Never taken back. */
  charged: number
  /** What it is thought to have cost beyond that, and to cost soon. */
  expected: number
}

/** What one team has had, and what of it is there. */
interface Account<T> {
  readonly team: string
  weight: number
  /** The virtual token counter: weighted tokens that it is known to have had, divided by its weight. Never goes down. */
  counter: number
  /** What its running calls are thought to cost beyond that, in weighted tokens. */
  expected: number
  /** `counter`, and what is expected, divided by its weight: who has the lowest is served next. */
  rank: number
  /** The floor when something of it waited last. */
  floorThen: number
  readonly running: Line<Run>
  readonly line: Line<T>
  readonly habits: Habits
  /** In the order of events: when it was last given a place (0: not yet), when it began to wait. */
  servedAt: number
  askedAt: number
  goneAtMs: Ms
}

/** A call that runs and is charged to its team. */
export interface Ticket {
  /** Charges what it did cost. Once. @param ended undefined when nothing of it was begun */
  end(ended?: Ended): void
}

/** A place in the line of a team. */
export interface Waiting<T> {
  readonly account: Account<T>
  readonly spot: Spot<T>
}

/** Calls that run are looked at this often, as long as others wait. */
const LOOK_MS: Ms = 250
/** A running call counts for what it takes within this time, beyond what it has taken: a burst does not take all places at once. */
const AHEAD_MS: Ms = 1_000
/** Teams that neither wait nor run are remembered up to this number, and for this long where others owe them something. */
const MAX_REMEMBERED = 256
const REMEMBER_MS: Ms = 30_000

/**
 * One class of a pool's queue. Its teams are served by a virtual token counter (Sheng et al., arXiv 2401.00588): the one with
 * the lowest is next, and inside a team whoever came first.
 *
 * Counters hold what was used and never go down: streams are charged as their bytes pass, other calls when they end. What
 * running calls are expected to take soon only decides, with the counters, who is next. A team of which nothing waits starts
 * at the lowest counter of those that wait, not at what is expected: calls that look long and are not would keep it waiting.
 *
 * While two teams both have calls that wait, what they have had by weight differs by no more than what the calls that run
 * take from their places to their ends. Coming, going and being served cost O(log n) of the teams that wait, however many
 * calls do; running calls are gone through at most four times a second.
 */
export class Lane<T> {
  /** Calls that wait, and calls that run. */
  waiting = 0
  running = 0
  /** For the order of classes: since when it waits without being served, and how often others were served meanwhile. */
  hungrySinceMs = 0
  passedOver = 0
  readonly #nowMs: NowMs
  readonly #accounts = new Map<string, Account<T>>()
  /** Teams that are away and have had more than those that wait, or less. The one that has been away longest first. */
  readonly #remembered = new Map<string, Account<T>>()
  /** What calls of teams cost, also of those that are not there; the last that were new to it. */
  readonly #habits = new Map<string, Habits>()
  readonly #byRank = new Heap<Account<T>>(isServedBefore)
  readonly #byCounter = new Heap<Account<T>>((a, b) => a.counter < b.counter)
  /** The highest counter of all: where those start who come when nobody waits, and nobody is owed anything. */
  #level = 0
  #events = 0
  #lookedAtMs: Ms = 0

  /** @param nowMs milliseconds since any moment */
  constructor(nowMs: NowMs) {
    this.#nowMs = nowMs
  }

  /** Teams of which something is remembered. */
  get teams(): number {
    return this.#accounts.size + this.#remembered.size
  }

  /** How many calls of a team wait. */
  waitingOf(team: string): number {
    return this.#accounts.get(team)?.line.size ?? 0
  }

  /** Puts a call at the end of the line of its team. */
  join(party: Party, value: T): Waiting<T> {
    this.#look()
    const account = this.#accountOf(party)
    // A reload may have changed it.
    account.weight = party.weight
    if (account.line.size === 0) {
      this.#lift(account)
      account.askedAt = ++this.#events
    }
    const spot = account.line.join(value)
    this.waiting++
    if (account.line.size === 1) this.#settle(account)
    return { account, spot }
  }

  /** Takes a call out of its line, served or not. @param waiting once */
  leave({ account, spot }: Waiting<T>): void {
    account.line.leave(spot)
    this.waiting--
    if (account.line.size === 0) {
      this.#byRank.delete(account)
      this.#byCounter.delete(account)
      account.floorThen = this.#floor
    }
    this.#forget(account)
  }

  /** The call that is served next. */
  next(): T | null {
    if (this.waiting > 0) this.#look()
    return this.#byRank.first?.line.first?.value ?? null
  }

  /** A call begins, out of its line or without having waited. */
  begin(party: Party): Ticket {
    const account = this.#accountOf(party)
    if (account.line.size === 0) {
      account.weight = party.weight
      this.#lift(account)
    }
    account.servedAt = ++this.#events
    const run: Run = { work: party.work(), sinceMs: this.#nowMs(), charged: 0, expected: 0 }
    const spot = account.running.join(run)
    this.running++
    this.#expect(account, run, run.sinceMs)
    this.#settle(account)
    return { end: ended => this.#end(account, spot, ended) }
  }

  counterOf(team: string): number | undefined {
    return (this.#accounts.get(team) ?? this.#remembered.get(team))?.counter
  }

  #end(account: Account<T>, spot: Spot<Run>, ended: Ended | undefined): void {
    const run = spot.value
    account.running.leave(spot)
    this.running--
    account.expected = account.running.size === 0 ? 0 : account.expected - run.expected
    if (ended !== undefined) {
      this.#charge(account, run, account.habits.costOf(ended, run.work))
      account.habits.learn(ended, run.work, this.#nowMs() - run.sinceMs)
    }
    this.#settle(account)
    this.#forget(account)
  }

  /** Brings what is known of running calls up to date. */
  #look(): void {
    const nowMs = this.#nowMs()
    if (Math.abs(nowMs - this.#lookedAtMs) < LOOK_MS) return
    this.#lookedAtMs = nowMs
    for (const account of this.#accounts.values()) {
      if (account.running.size === 0) continue
      for (let spot = account.running.first; spot !== null; spot = spot.after) {
        this.#charge(account, spot.value, account.habits.leastOf(spot.value.work))
        this.#expect(account, spot.value, nowMs)
      }
      this.#settle(account)
    }
  }

  /** Charges what a call has cost up to now. */
  #charge(account: Account<T>, run: Run, cost: number): void {
    const more = cost - run.charged
    if (more <= 0) return
    run.charged = cost
    account.counter += more / account.weight
    this.#level = Math.max(this.#level, account.counter)
  }

  #expect(account: Account<T>, run: Run, nowMs: Ms): void {
    const { work, sinceMs, charged } = run
    const cost = account.habits.costWithin(Math.max(0, nowMs - sinceMs), AHEAD_MS, work)
    const expected = Math.max(0, cost - charged)
    account.expected += expected - run.expected
    run.expected = expected
  }

  /** Finds the place of a team among those that wait, after something of it has changed. */
  #settle(account: Account<T>): void {
    account.rank = account.counter + account.expected / account.weight
    if (account.line.size === 0) return
    this.#byRank.settle(account)
    this.#byCounter.settle(account)
  }

  #accountOf({ team, weight }: Party): Account<T> {
    let account = this.#accounts.get(team)
    if (account === undefined) {
      account = this.#remembered.get(team) ?? newAccount(team, weight, this.#habitsOf(team))
      this.#remembered.delete(team)
      this.#accounts.set(team, account)
    }
    return account
  }

  #habitsOf(team: string): Habits {
    const known = this.#habits.get(team)
    if (known !== undefined) return known
    const habits = new Habits()
    this.#habits.set(team, habits)
    if (this.#habits.size > MAX_REMEMBERED) this.#habits.delete(this.#habits.keys().next().value ?? '')
    return habits
  }

  /**
   * Lifts a team of which nothing waits by twice how far the floor has come since: it saves up nothing, and keeps what it was
   * behind if it comes back at once. By once, who asks for less than its share stayed behind, and newcomers would start there.
   */
  #lift(account: Account<T>): void {
    const floor = this.#floor
    const come = Math.max(0, floor - Math.max(account.floorThen, account.counter))
    account.counter = Math.max(account.counter, Math.min(floor, account.counter + 2 * come))
    account.floorThen = floor
  }

  get #floor(): number {
    return this.#byCounter.first?.counter ?? this.#level
  }

  #forget(account: Account<T>): void {
    const { team, running, line } = account
    if (running.size > 0 || line.size > 0) return
    this.#accounts.delete(team)
    if (this.#accounts.size === 0) {
      // Nobody is there whom anybody could be owing.
      if (this.#remembered.size > 0) this.#remembered.clear()
      this.#level = 0
      return
    }
    const nowMs = this.#nowMs()
    account.goneAtMs = nowMs
    this.#remembered.set(team, account)
    const floor = this.#floor
    for (const [team, { counter, floorThen, goneAtMs }] of this.#remembered) {
      const isOwed = floorThen > counter && Math.abs(nowMs - goneAtMs) < REMEMBER_MS
      if ((counter > floor || isOwed) && this.#remembered.size <= MAX_REMEMBERED) break
      this.#remembered.delete(team)
    }
  }
}

function newAccount<T>(team: string, weight: number, habits: Habits): Account<T> {
  return {
    team,
    weight,
    habits,
    running: new Line(),
    line: new Line(),
    counter: 0,
    expected: 0,
    rank: 0,
    floorThen: 0,
    servedAt: 0,
    askedAt: 0,
    goneAtMs: 0
  }
}

/** The one that has had least; then who has not been served for longer; then who has waited for longer. */
function isServedBefore(a: Account<unknown>, b: Account<unknown>): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank
  return a.servedAt === b.servedAt ? a.askedAt < b.askedAt : a.servedAt < b.servedAt
}
