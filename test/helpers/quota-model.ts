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
      const cost = costOf(draw, tokens)
      return this.used(draw) + Math.min(cost, draw.amount) > draw.amount + 1e-4
    })
    const isRefused = short.some(({ isShadow }) => !isShadow)
    ok((outcome.ticket === null) === isRefused, `${id}: ${isRefused ? 'let through' : 'refused'}`)
    if (outcome.ticket === null) return
    const taken = draws.filter(draw => !short.includes(draw))
    ok(outcome.ticket.draws.map(({ key }) => key).join() === taken.map(({ key }) => key).join(), 'drawn from others')
    for (const draw of taken) {
      if (draw.kind === 'lease') this.#holders(draw).set(id, this.#nowMs() + 30_000)
      else this.#add(draw, costOf(draw, tokens))
    }
    this.#open.set(id, outcome.ticket)
  }

  settle(id: string, spent: Spent): void {
    const ticket = this.#open.get(id)
    this.#open.delete(id)
    for (const draw of ticket?.draws ?? []) {
      if (draw.kind === 'lease') this.#holders(draw).delete(id)
      else {
        const used = draw.resource === 'tokens' ? spent.tokens : spent.requests
        this.#add(draw, used - costOf(draw, ticket?.tokens ?? 0))
      }
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
    const before = this.used(draw)
    const after = Math.max(0, before + delta)
    // What several teams share is never deeper in debt than half of what it holds.
    const most = isBounded(draw) && delta > 0 ? Math.max(before, 1.5 * draw.amount) : after
    this.#level.set(draw.key, { used: Math.min(after, most), atMs })
  }

  #holders({ key }: Draw): Map<string, number> {
    const known = this.#leases.get(key) ?? new Map<string, number>()
    this.#leases.set(key, known)
    return known
  }
}

function isBounded({ isShared, kind, resource }: Draw): boolean {
  return isShared && kind === 'rate' && resource === 'tokens'
}

function costOf(draw: Draw, tokens: number): number {
  if (draw.resource !== 'tokens') return 1
  return isBounded(draw) ? Math.min(tokens, draw.amount) : tokens
}
