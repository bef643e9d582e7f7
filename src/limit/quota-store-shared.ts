import { GateError } from '../errors.ts'
import type { Ms } from '../time.ts'
import { Backlog, type Owed } from './backlog.ts'
import { Breaker } from './breaker.ts'
import type { OnStoreFailure } from './options.ts'
import type { Draw, Outcome, OwnQuotaStore, QuotaStore, Spent, Ticket } from './quota-store.ts'
import { MemoryQuotaStore } from './quota-store-memory.ts'

/** Where gates say that they are there. */
export interface Roll {
  /** Says that a gate is there. @returns how many gates there are */
  join(gate: string): Promise<number>
  leave(gate: string): Promise<void>
}

/** What a shared store is opened with. */
export interface SharedQuotaStoreInit {
  readonly shared: QuotaStore
  readonly roll: Roll
  /** The name of this gate. */
  readonly gate: string
  readonly nextId: () => string
  readonly nowMs: () => Ms
  /** What decides while it is away. */
  readonly onFailure: () => OnStoreFailure
  /** Told once for each change. */
  readonly onChange: (isAway: boolean, of: { readonly why: unknown; readonly dropped: number }) => void
}

/** How the store is, for the operator. */
export interface SharedStatus {
  /** `away` when it is not asked any more. */
  readonly store: 'there' | 'away'
  /** Whether it has answered the last question. */
  readonly answers: boolean
  /** Gates that share it. */
  readonly gates: number
  /** Questions that it did not answer, or not in time. */
  readonly unanswered: number
  /** What it has to be told when it is there again. */
  readonly owed: number
  /** What was given up of that because there was too much. */
  readonly dropped: number
}

/** A ticket, and what this gate has drawn from its own buckets for it. */
interface SharedTicket<D extends Draw> extends Ticket<D> {
  readonly local: Ticket | null
  /** The store has never been asked for it. */
  readonly isUnheard: boolean
}

const PROBE_MS: Ms = 1_000
/** Gates say that they are there so often; when the store is away, nobody hears it. */
const JOIN_EVERY = 5
/** So much is told at once to a store that is there again. */
const CHUNK = 500

/**
 * Limits that gates share, and this gate's share of them while their store is away.
 *
 * What the store says of a bucket is noted here with each answer, so that a gate on its own goes on from there, with the amount
 * divided by the gates that there were. What it lets through meanwhile is added when the store is there again.
 */
export class SharedQuotaStore implements OwnQuotaStore {
  readonly #init: SharedQuotaStoreInit
  readonly #local: MemoryQuotaStore
  readonly #breaker: Breaker
  readonly #backlog: Backlog
  readonly #shares = new WeakMap<Draw, { readonly gates: number; readonly draw: Draw }>()
  #gates = 1
  #clock: NodeJS.Timeout | null = null
  #ticks = 0
  #hasJoined = false
  #answers = false
  #unanswered = 0
  /** What failed last, for the log. */
  #why: unknown = null

  constructor(init: SharedQuotaStoreInit) {
    this.#init = init
    this.#local = new MemoryQuotaStore({ nowMs: init.nowMs })
    this.#backlog = new Backlog(init.nextId)
    this.#breaker = new Breaker(
      () => performance.now(),
      isOpen => init.onChange(isOpen, { why: isOpen ? this.#why : null, dropped: this.#backlog.dropped })
    )
  }

  get status(): SharedStatus {
    return {
      store: this.#breaker.isOpen ? 'away' : 'there',
      answers: this.#answers,
      gates: this.#gates,
      unanswered: this.#unanswered,
      owed: this.#backlog.size,
      dropped: this.#backlog.dropped
    }
  }

  reserve<D extends Draw>(id: string, draws: readonly D[], tokens: number): Outcome<D> | Promise<Outcome<D>> {
    if (this.#breaker.isOpen) return this.#reserveAlone(id, draws, tokens, true)
    const asked = this.#init.shared.reserve(id, draws, tokens) as Promise<Outcome<D>>
    return asked.then(
      outcome => this.#noted(draws, outcome),
      (err: unknown) => {
        this.#failed(err)
        return this.#reserveUnanswered(id, draws, tokens)
      }
    )
  }

  async settle(ticket: Ticket, spent: Spent): Promise<readonly number[] | null> {
    const { local = null, isUnheard = false } = ticket as Partial<SharedTicket<Draw>>
    if (local !== null) this.#local.settle(local, spent)
    else this.#local.give(this.#kept(ticket), spent)
    if (this.#breaker.isOpen) {
      this.#owe({ ticket, spent }, isUnheard)
      return null
    }
    try {
      const used = await this.#init.shared.settle(ticket, spent)
      if (used !== null) this.#mirror(ticket.draws, used)
      return used
    } catch (err) {
      this.#failed(err)
      this.#owe({ ticket, spent }, false)
      return null
    }
  }

  async renew(tickets: readonly Ticket[]): Promise<void> {
    this.#local.renew(tickets)
    if (this.#breaker.isOpen) return
    await this.#try(() => this.#init.shared.renew(tickets))
  }

  async peek(draws: readonly Draw[]): Promise<readonly number[]> {
    const used = this.#breaker.isOpen ? null : await this.#try(() => this.#init.shared.peek(draws))
    return used ?? this.glance(draws)
  }

  glance(draws: readonly Draw[]): readonly number[] {
    return this.#wholeOf(draws, this.#local.peek(draws.map(draw => this.#shareOf(draw))))
  }

  /** Begins to say that this gate is there, and to probe when the store is away. */
  start(): void {
    if (this.#clock !== null) return
    void this.#join()
    this.#clock = setInterval(() => void this.#tick(), PROBE_MS).unref()
  }

  /** Stops, when what can be told has been told. */
  async close(): Promise<void> {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
    if (this.#breaker.isOpen) return
    await this.#flush()
    await this.#try(() => this.#init.roll.leave(this.#init.gate))
  }

  async #tick(): Promise<void> {
    if (this.#breaker.isOpen) {
      // Whatever answers a probe answers calls; what is owed comes first, so that nobody is let in on its account.
      if ((await this.#join()) && (await this.#flush())) this.#breaker.mended()
    } else if (!this.#hasJoined || this.#ticks++ % JOIN_EVERY === 0) {
      if (!(await this.#join())) this.#breaker.failed()
    } else if (this.#backlog.size > 0) {
      await this.#flush()
    }
  }

  async #join(): Promise<boolean> {
    try {
      this.#gates = Math.max(1, await this.#init.roll.join(this.#init.gate))
      this.#hasJoined = true
      this.#answers = true
      return true
    } catch (err) {
      this.#answers = false
      this.#why = err
      return false
    }
  }

  /** Tells what is owed. @returns whether all of it could be told */
  async #flush(): Promise<boolean> {
    for (;;) {
      const owed = this.#backlog.take(CHUNK)
      if (owed.length === 0) return true
      const told = await Promise.allSettled(owed.map(({ ticket, spent }) => this.#init.shared.settle(ticket, spent)))
      const failed = owed.filter((_, i) => told[i]?.status === 'rejected')
      for (const one of failed) this.#backlog.add(one)
      if (failed.length > 0) return false
    }
  }

  #failed(err: unknown): void {
    this.#answers = false
    this.#why = err
    this.#unanswered++
    this.#breaker.failed()
  }

  #owe(owed: Owed, isUnheard: boolean): void {
    if (isUnheard) this.#backlog.sum(owed.ticket, owed.spent)
    else this.#backlog.add(owed)
  }

  async #try<T>(ask: () => T | Promise<T>): Promise<T | null> {
    try {
      return await ask()
    } catch (err) {
      this.#failed(err)
      return null
    }
  }

  /** The store may have drawn for a call that is refused here: then it is told that nothing was used. */
  #reserveUnanswered<D extends Draw>(id: string, draws: readonly D[], tokens: number): Outcome<D> {
    let outcome: Outcome<D> | null = null
    try {
      outcome = this.#reserveAlone(id, draws, tokens, false)
      return outcome
    } finally {
      if (outcome?.ticket == null) {
        this.#backlog.add({ ticket: { id, draws, tokens, isUnconfirmed: true }, spent: { requests: 0, tokens: 0 } })
      }
    }
  }

  #reserveAlone<D extends Draw>(id: string, draws: readonly D[], tokens: number, isUnheard: boolean): Outcome<D> {
    const how = this.#init.onFailure()
    if (how === 'deny') throw new GateError('TOLLGATE_LIMIT_STORE')
    const own = { id, tokens, isUnconfirmed: true, isUnheard }
    if (how === 'allow') {
      const ticket: SharedTicket<D> = { ...own, draws, local: null }
      return { ticket, refusal: null, shadowed: [], used: null }
    }
    const shares = draws.map(draw => this.#shareOf(draw))
    const originalOf = (share: Draw) => draws[shares.indexOf(share)] as D
    const { ticket: local, refusal, shadowed, used } = this.#local.reserve(id, shares, tokens)
    const ticket: SharedTicket<D> | null = local === null ? null : { ...own, draws: local.draws.map(originalOf), local }
    return {
      ticket,
      refusal: refusal === null ? null : { ...refusal, draw: originalOf(refusal.draw) },
      shadowed: shadowed.map(originalOf),
      used: this.#wholeOf(draws, used ?? [])
    }
  }

  /** Notes what the store has said. */
  #noted<D extends Draw>(draws: readonly D[], outcome: Outcome<D>): Outcome<D> {
    this.#answers = true
    if (outcome.used !== null) this.#mirror(draws, outcome.used)
    const { ticket } = outcome
    for (const draw of ticket?.draws ?? []) if (draw.kind === 'lease') this.#local.hold(draw, ticket?.id ?? '')
    return outcome
  }

  #mirror(draws: readonly Draw[], used: readonly number[]): void {
    for (const [i, draw] of draws.entries()) {
      const share = this.#shareOf(draw)
      if (draw.kind !== 'lease') this.#local.mirror(share, ((used[i] ?? 0) * share.amount) / draw.amount)
    }
  }

  /** What a ticket of the store holds here too: its leases, and while the store is away its budgets. */
  #kept(ticket: Ticket): Ticket {
    const isAway = this.#breaker.isOpen
    const draws = ticket.draws.filter(({ kind }) => kind === 'lease' || (isAway && kind === 'budget'))
    return { ...ticket, draws }
  }

  /** What this gate may use of a bucket by itself. Of a budget all that the store has left of it. */
  #shareOf(draw: Draw): Draw {
    if (draw.kind === 'budget' || this.#gates === 1) return draw
    let known = this.#shares.get(draw)
    if (known === undefined || known.gates !== this.#gates) {
      const amount = Math.max(1, Math.floor(draw.amount / this.#gates))
      known = { gates: this.#gates, draw: { ...draw, amount } }
      this.#shares.set(draw, known)
    }
    return known.draw
  }

  /** What is used of this gate's share, as if all gates had used theirs alike. */
  #wholeOf(draws: readonly Draw[], used: readonly number[]): readonly number[] {
    return draws.map((draw, i) => ((used[i] ?? 0) * draw.amount) / this.#shareOf(draw).amount)
  }
}
