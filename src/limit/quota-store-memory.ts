import type { Ms, NowMs } from '../time.ts'
import { drained, drawn, fits, fullInMs, waitMs } from './bucket.ts'
import {
  costOf,
  type Draw,
  LEASE_MS,
  LEASE_WAIT_MS,
  mostOf,
  type Outcome,
  type OwnQuotaStore,
  owedOf,
  type Spent,
  type Ticket
} from './quota-store.ts'

/** What is kept of a bucket. */
interface State {
  used: number
  /** When that was so; of a budget, the end of its period. */
  atMs: Ms
  /** From when on a bucket like this is as good as none. */
  idleAtMs: Ms
  /** Of leases: who holds one, and until when, the earliest first. */
  readonly holders: Map<string, Ms> | null
}

/** With every step so many buckets are looked at, whether they may be forgotten. */
const SWEPT = 2
/** When there are too many, the least used of so many is forgotten. */
const SWEPT_WHEN_FULL = 8

/**
 * Limits of this process alone. Every step costs the same, however many buckets there are: each looks at two others, in
 * turns, and forgets what is full again. More than `maxBuckets` are never kept: then the least used are forgotten first.
 */
export class MemoryQuotaStore implements OwnQuotaStore {
  readonly #nowMs: NowMs
  readonly #maxBuckets: number
  readonly #leaseMs: Ms
  readonly #states = new Map<string, State>()
  readonly #open = new Set<string>()
  #sweep = this.#states.entries()

  constructor(init: { readonly nowMs: NowMs; readonly maxBuckets?: number; readonly leaseMs?: Ms }) {
    const { nowMs, maxBuckets = 1_000_000, leaseMs = LEASE_MS } = init
    this.#nowMs = nowMs
    this.#maxBuckets = maxBuckets
    this.#leaseMs = leaseMs
  }

  /** Buckets that are kept. */
  get size(): number {
    return this.#states.size
  }

  reserve<D extends Draw>(id: string, draws: readonly D[], tokens: number): Outcome<D> {
    const now = this.#nowMs()
    this.#forget(now)
    const used = draws.map(draw => this.#usedOf(draw, now))
    const taken: D[] = []
    const shadowed: D[] = []
    let refusal: Outcome<D>['refusal'] = null
    for (const [i, draw] of draws.entries()) {
      const cost = costOf(draw, tokens)
      const has = used[i] ?? 0
      if (fits(has, cost, draw.amount)) {
        taken.push(draw)
        used[i] = has + cost
      } else if (draw.isShadow) {
        shadowed.push(draw)
      } else {
        const waits = waitOf(draw, has, cost, now)
        if (refusal === null || waits > refusal.waitMs) refusal = { draw, waitMs: waits }
      }
    }
    if (refusal !== null) return { ticket: null, refusal, shadowed, used: this.peek(draws) }
    for (const draw of taken) this.#add(draw, costOf(draw, tokens), id, now)
    this.#open.add(id)
    return { ticket: { id, draws: taken, tokens, isUnconfirmed: false }, refusal: null, shadowed, used }
  }

  settle(ticket: Ticket, spent: Spent): readonly number[] | null {
    if (!this.#open.delete(ticket.id)) return null
    return this.give(ticket, spent)
  }

  /** Settles what was drawn elsewhere: whoever calls sees to it that it is called once. */
  give(ticket: Ticket, spent: Spent): readonly number[] {
    const now = this.#nowMs()
    return ticket.draws.map(draw => {
      if (draw.kind === 'lease') this.#release(draw.key, ticket.id)
      // What was drawn from a period that is over is not given back to the next one.
      else if (draw.kind === 'rate' || (this.#states.get(draw.key)?.atMs ?? 0) <= draw.endsAtMs)
        this.#add(draw, owedOf(draw, ticket, spent), ticket.id, now)
      return this.#usedOf(draw, now)
    })
  }

  renew(tickets: readonly Ticket[]): void {
    const now = this.#nowMs()
    for (const { id, draws } of tickets) for (const draw of draws) if (draw.kind === 'lease') this.hold(draw, id, now)
  }

  peek(draws: readonly Draw[]): readonly number[] {
    const now = this.#nowMs()
    return draws.map(draw => this.#usedOf(draw, now))
  }

  glance(draws: readonly Draw[]): readonly number[] {
    return this.peek(draws)
  }

  /** Takes over what somebody else has found to be used. */
  mirror(draw: Draw, used: number): void {
    const now = this.#nowMs()
    this.#forget(now)
    if (draw.kind !== 'lease') this.#write(draw, used, now)
  }

  /** Lets a call hold a lease that somebody else has granted, or for longer. */
  hold({ key }: Draw, id: string, nowMs: Ms = this.#nowMs()): void {
    let state = this.#states.get(key)
    if (state === undefined) {
      state = { used: 0, atMs: 0, idleAtMs: 0, holders: new Map() }
      this.#states.set(key, state)
    }
    // Anew at the end, so that the earliest stays first.
    state.holders?.delete(id)
    state.holders?.set(id, nowMs + this.#leaseMs)
    state.idleAtMs = nowMs + this.#leaseMs
  }

  #usedOf(draw: Draw, nowMs: Ms): number {
    const state = this.#states.get(draw.key)
    if (state === undefined) return 0
    if (state.holders !== null) return expire(state.holders, nowMs)
    if (draw.kind === 'budget') return state.atMs < draw.endsAtMs ? 0 : state.used
    return drained(state.used, nowMs - state.atMs, draw)
  }

  #add(draw: Draw, delta: number, id: string, nowMs: Ms): void {
    if (draw.kind === 'lease') this.hold(draw, id, nowMs)
    else this.#write(draw, drawn(this.#usedOf(draw, nowMs), delta, mostOf(draw)), nowMs)
  }

  #write(draw: Draw, used: number, nowMs: Ms): void {
    const known = this.#states.get(draw.key)
    const isBudget = draw.kind === 'budget'
    const atMs = isBudget ? Math.max(known?.atMs ?? 0, draw.endsAtMs) : nowMs
    const idleAtMs = isBudget ? atMs : nowMs + fullInMs(used, draw)
    if (known === undefined) this.#states.set(draw.key, { used, atMs, idleAtMs, holders: null })
    else Object.assign(known, { used, atMs, idleAtMs })
  }

  /** Leaves an empty one to be forgotten in its turn: a name that comes and goes in a Map makes looking it up ever slower. */
  #release(key: string, id: string): void {
    this.#states.get(key)?.holders?.delete(id)
  }

  #forget(nowMs: Ms): void {
    const isFull = this.#states.size >= this.#maxBuckets
    let least: { key: string; used: number } | null = null
    for (let i = isFull ? SWEPT_WHEN_FULL : SWEPT; i > 0 && this.#states.size > 0; i--) {
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = this.#states.entries()
        continue
      }
      const [key, state] = next.value
      if (state.idleAtMs <= nowMs) this.#states.delete(key)
      else if (state.holders === null && (least === null || state.used < least.used)) least = { key, used: state.used }
    }
    if (least !== null && this.#states.size >= this.#maxBuckets) this.#states.delete(least.key)
  }
}

/** Takes out those whose time is over. @returns how many are left */
function expire(holders: Map<string, Ms>, nowMs: Ms): number {
  for (const [id, untilMs] of holders) {
    if (untilMs > nowMs) break
    holders.delete(id)
  }
  return holders.size
}

function waitOf(draw: Draw, used: number, cost: number, nowMs: Ms): Ms {
  if (draw.kind === 'lease') return LEASE_WAIT_MS
  if (draw.kind === 'budget') return Math.max(1, draw.endsAtMs - nowMs)
  return waitMs(used, cost, draw)
}
