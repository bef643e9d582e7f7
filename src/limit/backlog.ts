import type { Draw, Spent, Ticket } from './quota-store.ts'

/** What a store has to be told as soon as it is there again. */
export interface Owed {
  readonly ticket: Ticket
  readonly spent: Spent
}

interface Sum {
  readonly draw: Draw
  requests: number
  tokens: number
}

/** More than that is not kept: a store that is away for days must not take the gate with it. */
const MAX_TICKETS = 100_000
const MAX_SUMS = 100_000

/**
 * What was used while a store was away. Of calls that it has never heard of the sum of each bucket is enough; those that it may
 * know are told one by one, so that none counts twice.
 */
export class Backlog {
  readonly #nextId: () => string
  #tickets: Owed[] = []
  readonly #sums = new Map<string, Sum>()
  /** What was given up because there was too much. */
  dropped = 0

  /** @param nextId names what has no name yet */
  constructor(nextId: () => string) {
    this.#nextId = nextId
  }

  get size(): number {
    return this.#tickets.length + this.#sums.size
  }

  /** Of a call that the store may know. */
  add(owed: Owed): void {
    if (this.#tickets.length < MAX_TICKETS) this.#tickets.push(owed)
    else this.dropped++
  }

  /** Of a call that the store has never heard of. */
  sum({ draws }: Ticket, { requests, tokens }: Spent): void {
    for (const draw of draws) {
      if (draw.kind === 'lease') continue
      const known = this.#sums.get(draw.key)
      // Of a budget the sum of another period is another sum.
      if (known !== undefined && known.draw.endsAtMs === draw.endsAtMs) {
        known.requests += requests
        known.tokens += tokens
      } else if (known !== undefined || this.#sums.size < MAX_SUMS) {
        this.#sums.set(draw.key, { draw, requests, tokens })
      } else {
        this.dropped++
      }
    }
  }

  /** Takes out so many at most. What cannot be told is to be added again, under the same name. */
  take(most: number): readonly Owed[] {
    for (const [key, { draw, requests, tokens }] of this.#sums) {
      if (this.#tickets.length >= most) break
      this.#sums.delete(key)
      const ticket = { id: this.#nextId(), draws: [draw], tokens: 0, isUnconfirmed: true }
      this.#tickets.push({ ticket, spent: { requests, tokens } })
    }
    const taken = this.#tickets.slice(0, most)
    this.#tickets = this.#tickets.slice(most)
    return taken
  }
}
