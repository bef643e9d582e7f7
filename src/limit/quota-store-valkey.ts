import type { ScriptRunner } from '../scripts.ts'
import type { Ms } from '../time.ts'
import {
  costOf,
  type Draw,
  LEASE_MS,
  LEASE_WAIT_MS,
  mostOf,
  type Outcome,
  owedOf,
  type QuotaStore,
  type Spent,
  type Ticket
} from './quota-store.ts'
import { tagOf } from './quota-store-clustered.ts'
import { GATES, PEEK, RENEW, RESERVE, SETTLE } from './scripts.ts'

/** Long enough that nothing which is used is ever the first to be given up for want of memory. */
const KEEP_MS: Ms = 48 * 3_600_000
/** A gate that is not heard of for so long is not counted any more. */
const GATE_MS: Ms = 30_000
/** So many leases are renewed in one step. */
const BATCH = 500
/** Scripts know no infinity. */
const NO_BOUND = Number.MAX_SAFE_INTEGER
const GATES_KEY = 'tollgate:1:{*}:gates'

/** Limits that several gates share, in Redis or Valkey: one script for each step, by the clock of the store. */
export class ValkeyQuotaStore implements QuotaStore {
  readonly #runner: ScriptRunner
  readonly #isCluster: boolean
  readonly #leaseMs: Ms

  /** @param isCluster the buckets of one step have one tag, and what is noted of it needs the same */
  constructor(runner: ScriptRunner, init: { readonly isCluster?: boolean; readonly leaseMs?: Ms } = {}) {
    const { isCluster = false, leaseMs = LEASE_MS } = init
    this.#runner = runner
    this.#isCluster = isCluster
    this.#leaseMs = leaseMs
  }

  async reserve<D extends Draw>(id: string, draws: readonly D[], tokens: number): Promise<Outcome<D>> {
    const args = draws.flatMap(draw => [
      draw.kind,
      costOf(draw, tokens),
      draw.amount,
      spanOf(draw),
      draw.isShadow ? 1 : 0
    ])
    const reply = listOf(
      await this.#runner.run(RESERVE, this.#keysOf(id, draws), [id, KEEP_MS, this.#leaseMs, LEASE_WAIT_MS, ...args])
    )
    const used = draws.map((_, i) => Number(reply[3 + i * 2]))
    const isOver = (_: D, i: number) => Number(reply[2 + i * 2]) === 1
    const shadowed = draws.filter((draw, i) => draw.isShadow && isOver(draw, i))
    const refusing = draws[Number(reply[0]) - 1]
    if (refusing !== undefined) {
      return { ticket: null, refusal: { draw: refusing, waitMs: Number(reply[1]) }, shadowed, used }
    }
    const taken = draws.filter((draw, i) => !isOver(draw, i))
    return { ticket: { id, draws: taken, tokens, isUnconfirmed: false }, refusal: null, shadowed, used }
  }

  async settle(ticket: Ticket, spent: Spent): Promise<readonly number[] | null> {
    const { id, draws, isUnconfirmed } = ticket
    const args = draws.flatMap(draw => [
      draw.kind,
      draw.amount,
      spanOf(draw),
      owedOf(draw, { ...ticket, isUnconfirmed: false }, spent),
      owedOf(draw, { ...ticket, isUnconfirmed: true }, spent),
      Math.min(mostOf(draw), NO_BOUND)
    ])
    const reply = await this.#runner.run(SETTLE, this.#keysOf(id, draws), [id, KEEP_MS, isUnconfirmed ? 1 : 0, ...args])
    return reply === null ? null : listOf(reply).map(Number)
  }

  async renew(tickets: readonly Ticket[]): Promise<void> {
    const holders = new Map<string, string[]>()
    for (const { id, draws } of tickets) {
      for (const { kind, key } of draws) {
        if (kind !== 'lease') continue
        const ids = holders.get(key) ?? []
        holders.set(key, ids)
        ids.push(id)
      }
    }
    for (const [key, ids] of holders) {
      for (let i = 0; i < ids.length; i += BATCH) {
        await this.#runner.run(RENEW, [key], [KEEP_MS, this.#leaseMs, ...ids.slice(i, i + BATCH)])
      }
    }
  }

  async peek(draws: readonly Draw[]): Promise<readonly number[]> {
    const args = draws.flatMap(draw => [draw.kind, draw.amount, spanOf(draw)])
    const keys = draws.map(({ key }) => key)
    return listOf(await this.#runner.run(PEEK, keys, args)).map(Number)
  }

  /** The buckets, then the record of the ticket. */
  #keysOf(id: string, draws: readonly Draw[]): readonly string[] {
    const keys = draws.map(({ key }) => key)
    const tag = this.#isCluster ? `{${tagOf(keys[0] ?? '')}}:` : ''
    return [...keys, `tollgate:1:${tag}r:${id}`]
  }

  /** Says that a gate is there. @returns how many gates there are */
  async join(gate: string): Promise<number> {
    return Number(await this.#runner.run(GATES, [GATES_KEY], [gate, GATE_MS]))
  }

  async leave(gate: string): Promise<void> {
    await this.#runner.run(GATES, [GATES_KEY], [gate, 0])
  }
}

/** In what time it fills, or when its period ends. */
function spanOf({ kind, windowMs, endsAtMs }: Draw): number {
  return kind === 'budget' ? endsAtMs : windowMs
}

function listOf(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new TypeError('the store gave an answer of another shape')
  return reply
}
