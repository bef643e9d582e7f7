import type { Ms } from '../time.ts'
import type { QuotaStore, Ticket } from './quota-store.ts'

/** Every lease is renewed once in so many ticks: a third of the time that it lives without. */
const SLOTS = 10
const TICK_MS: Ms = 1_000

/**
 * Keeps the leases of running calls alive with one clock for all of them: at each tick a tenth of them is renewed. What a
 * gate that was killed held ends by itself, because nobody renews it.
 */
export class Leases {
  readonly #store: QuotaStore
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Ticket>())
  #next = 0
  #clock: NodeJS.Timeout | null = null

  constructor(store: QuotaStore) {
    this.#store = store
  }

  /** Leases that are kept. */
  get size(): number {
    return this.#slots.reduce((sum, { size }) => sum + size, 0)
  }

  /** Keeps a lease until what is returned is called. A ticket without one needs nothing. */
  keep(ticket: Ticket): () => void {
    if (!ticket.draws.some(({ kind }) => kind === 'lease')) return () => {}
    const slot = this.#slots[this.#next++ % SLOTS]
    slot?.add(ticket)
    return () => slot?.delete(ticket)
  }

  /** Renews a tenth of them. @param tick from 0 */
  renew(tick: number): void {
    const slot = this.#slots[tick % SLOTS]
    if (slot !== undefined && slot.size > 0) void this.#store.renew([...slot])
  }

  start(): void {
    let tick = 0
    this.#clock ??= setInterval(() => this.renew(tick++), TICK_MS).unref()
  }

  close(): void {
    if (this.#clock !== null) clearInterval(this.#clock)
    this.#clock = null
  }
}
