import type { Ms } from '../time.ts'

/** One limit that a call meets, as a bucket to draw from. The same object serves every call that meets it. */
export interface Draw {
  /** Of the bucket, the same in every gate. A part in braces keeps buckets of a team together (Redis Cluster). */
  readonly key: string
  /** `rate` fills continuously, `budget` anew when its period ends, `lease` with every call that ends. */
  readonly kind: 'rate' | 'budget' | 'lease'
  /** What of a call it counts. */
  readonly resource: 'requests' | 'tokens' | 'concurrent'
  readonly amount: number
  /** In what time an empty `rate` fills by itself; 0 for the others. */
  readonly windowMs: Ms
  /** The end of the period of a `budget`; 0 for the others. */
  readonly endsAtMs: Ms
  /** It is counted, but refuses nobody. */
  readonly isShadow: boolean
  /** Callers of several teams draw from it. */
  readonly isShared: boolean
}

/** What a call has drawn, until it is settled. */
export interface Ticket<D extends Draw = Draw> {
  /** Of this call alone, in all gates. */
  readonly id: string
  /** Those that were drawn from: a shadow that would have refused was not. */
  readonly draws: readonly D[]
  /** What was reserved of every bucket of tokens: of one that is shared, no more than it holds. */
  readonly tokens: number
  /** The store has not said that it knows of it: what it has used is added when it is settled. */
  readonly isUnconfirmed: boolean
}

/** What became of a reservation. */
export interface Outcome<D extends Draw = Draw> {
  /** Null when one that is no shadow has refused: then nothing was drawn at all. */
  readonly ticket: Ticket<D> | null
  /** The one that refuses for longest, and for how long. */
  readonly refusal: { readonly draw: D; readonly waitMs: Ms } | null
  /** Shadows that would have refused. */
  readonly shadowed: readonly D[]
  /** What is used of each bucket now, in the order of the draws; null when nobody knows. */
  readonly used: readonly number[] | null
}

/** What a call has used in the end. */
export interface Spent {
  /** 1, or 0 for a call that no engine took. */
  readonly requests: number
  readonly tokens: number
}

/** A lease that nobody renews ends by itself after so long. */
export const LEASE_MS: Ms = 30_000
/** Whoever waits for a call of others to end may ask again after so long. */
export const LEASE_WAIT_MS: Ms = 1_000

/**
 * Where what was used is kept. Both twins pass one suite of tests (test/contract/store-contracts.test.ts).
 *
 * Answers at once where that is possible, else with a promise, which rejects when the store cannot be reached in time.
 */
export interface QuotaStore {
  /** Draws from all buckets in one step, or from none. @param id of this call alone, in all gates */
  reserve<D extends Draw>(id: string, draws: readonly D[], tokens: number): Outcome<D> | Promise<Outcome<D>>
  /**
   * Puts what was used in the place of what was reserved, and gives leases back. The second time for one ticket does nothing.
   * @returns what is used of each bucket of the ticket then, or null when nothing was done
   */
  settle(ticket: Ticket, spent: Spent): readonly number[] | null | Promise<readonly number[] | null>
  /** Keeps leases alive for another while. */
  renew(tickets: readonly Ticket[]): void | Promise<void>
  /** What is used of each bucket now. */
  peek(draws: readonly Draw[]): readonly number[] | Promise<readonly number[]>
}

/** A store that this gate asks, and that notes what it has been told. */
export interface OwnQuotaStore extends QuotaStore {
  /** What is used of each bucket now, as far as this gate has been told. Asks nobody. */
  glance(draws: readonly Draw[]): readonly number[]
}

/** A bucket of several teams is never deeper in debt than this part of its amount. */
const SHARED_DEBT = 0.5

/** What a call costs of a bucket. One that several teams share is emptied at most; only the caller's own take a debt. */
export function costOf(draw: Draw, tokens: number): number {
  if (draw.resource !== 'tokens') return 1
  return isBounded(draw) ? Math.min(tokens, draw.amount) : tokens
}

/**
 * Up to where a call may draw from a bucket when it is settled. What one caller has used beyond its reservation keeps the
 * others from a shared one for half its window at most, however many such calls there are.
 */
export function mostOf(draw: Draw): number {
  return isBounded(draw) ? draw.amount * (1 + SHARED_DEBT) : Number.POSITIVE_INFINITY
}

/** A budget is not: its period ends all the same, and what it counts is money. */
function isBounded({ isShared, kind, resource }: Draw): boolean {
  return isShared && kind === 'rate' && resource === 'tokens'
}

/** How much more than was reserved a call has used of a bucket; below zero for less. Leases are given back as such. */
export function owedOf(draw: Draw, ticket: Ticket, { requests, tokens }: Spent): number {
  const used = draw.resource === 'tokens' ? tokens : requests
  return ticket.isUnconfirmed ? used : used - costOf(draw, ticket.tokens)
}
