import { ok } from 'node:assert'
import type { Draw, Outcome, Spent, Ticket } from '../../src/limit/quota-store.ts'

/** What limits mean, in as few words as possible: every bucket a number, every lease a time, nothing forgotten. */
export class PlainModel {
  readonly #nowMs: () => number
  readonly #level = new Map<string, { used: number; atMs: number }>()
  readonly #leases = new Map<string, Map<string, number>>()
  readonly #open = new Map<string, Ticket>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** What is reserved and not settled. */
  ticketOf(id: string): Ticket | undefined {
    return this.#open.get(id)
  }

  /** Reserves here too, and fails when the store has decided otherwise. */
  agrees(id: string, draws: readonly Draw[], tokens: number, outcome: Outcome): void {
    const short = draws.filter(draw => {
      const cost = draw.resource === 'tokens' ? tokens : 1
      return this.used(draw) + Math.min(cost, draw.amount) > draw.amount + 1e-4
    })
    const isRefused = short.some(({ isShadow }) => !isShadow)
    ok((outcome.ticket === null) === isRefused, `${id}: ${isRefused ? 'let through' : 'refused'}`)
    if (outcome.ticket === null) return
    const taken = draws.filter(draw => !short.includes(draw))
    ok(outcome.ticket.draws.map(({ key }) => key).join() === taken.map(({ key }) => key).join(), 'drawn from others')
    for (const draw of taken) {
      if (draw.kind === 'lease') this.#holders(draw).set(id, this.#nowMs() + 30_000)
      else this.#add(draw, draw.resource === 'tokens' ? tokens : 1)
    }
    this.#open.set(id, outcome.ticket)
  }

  settle(id: string, spent: Spent): void {
    const ticket = this.#open.get(id)
    this.#open.delete(id)
    for (const draw of ticket?.draws ?? []) {
      if (draw.kind === 'lease') this.#holders(draw).delete(id)
      else this.#add(draw, draw.resource === 'tokens' ? spent.tokens - (ticket?.tokens ?? 0) : spent.requests - 1)
    }
  }

  renew(id: string): void {
    for (const draw of this.#open.get(id)?.draws ?? []) {
      if (draw.kind === 'lease') this.#holders(draw).set(id, this.#nowMs() + 30_000)
    }
  }

  used(draw: Draw): number {
    const now = this.#nowMs()
    if (draw.kind === 'lease') return [...this.#holders(draw).values()].filter(until => until > now).length
    const { used, atMs } = this.#level.get(draw.key) ?? { used: 0, atMs: now }
    if (draw.kind === 'budget') return atMs < draw.endsAtMs ? 0 : used
    return Math.max(0, used - ((now - atMs) * draw.amount) / draw.windowMs)
  }

  /** Fails when a store says otherwise. */
  sameAs(used: readonly number[], draws: readonly Draw[]): void {
    for (const [i, draw] of draws.entries()) {
      const own = this.used(draw)
      ok(Math.abs(own - (used[i] ?? Number.NaN)) < 1e-3, `${draw.key}: ${own} is not ${used[i]}`)
    }
  }

  #add(draw: Draw, delta: number): void {
    const atMs = draw.kind === 'budget' ? draw.endsAtMs : this.#nowMs()
    this.#level.set(draw.key, { used: Math.max(0, this.used(draw) + delta), atMs })
  }

  #holders({ key }: Draw): Map<string, number> {
    const known = this.#leases.get(key) ?? new Map<string, number>()
    this.#leases.set(key, known)
    return known
  }
}
