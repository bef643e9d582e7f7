import type { Draw, Outcome, QuotaStore, Spent, Ticket } from './quota-store.ts'

/**
 * Limits in a Redis Cluster, where one step reaches only the buckets of one tag: those of a team, or those that all teams share.
 * The steps follow each other; what an earlier one has drawn is given back whole when a later one refuses.
 */
export class ClusteredQuotaStore implements QuotaStore {
  readonly #store: QuotaStore

  constructor(store: QuotaStore) {
    this.#store = store
  }

  async reserve<D extends Draw>(id: string, draws: readonly D[], tokens: number): Promise<Outcome<D>> {
    const groups = groupsOf(draws)
    const done: Outcome<D>[] = []
    for (const group of groups) {
      const outcome = await this.#store.reserve(id, group, tokens)
      done.push(outcome)
      if (outcome.ticket !== null) continue
      for (const { ticket } of done) if (ticket !== null) await this.#store.settle(ticket, { requests: 0, tokens: 0 })
      const shadowed = done.flatMap(one => one.shadowed)
      return { ticket: null, refusal: outcome.refusal, shadowed, used: await this.peek(draws) }
    }
    const taken = done.flatMap(({ ticket }) => ticket?.draws ?? [])
    return {
      ticket: { id, draws: taken, tokens, isUnconfirmed: false },
      refusal: null,
      shadowed: done.flatMap(one => one.shadowed),
      used: inOrder(
        draws,
        groups,
        done.map(({ used }) => used ?? [])
      )
    }
  }

  async settle(ticket: Ticket, spent: Spent): Promise<readonly number[] | null> {
    const groups = groupsOf(ticket.draws)
    const used = await Promise.all(groups.map(draws => this.#store.settle({ ...ticket, draws }, spent)))
    const known = used.flatMap(one => (one === null ? [] : [one]))
    return known.length < groups.length ? null : inOrder(ticket.draws, groups, known)
  }

  async renew(tickets: readonly Ticket[]): Promise<void> {
    await this.#store.renew(tickets)
  }

  async peek(draws: readonly Draw[]): Promise<readonly number[]> {
    const groups = groupsOf(draws)
    return inOrder(draws, groups, await Promise.all(groups.map(group => this.#store.peek(group))))
  }
}

/** What Redis Cluster places a key by: what stands in its first braces, else the whole of it. */
export function tagOf(key: string): string {
  return /\{([^}]+)\}/.exec(key)?.[1] ?? key
}

function groupsOf<D extends Draw>(draws: readonly D[]): readonly (readonly D[])[] {
  return [...Map.groupBy(draws, ({ key }) => tagOf(key)).values()]
}

function inOrder(
  draws: readonly Draw[],
  groups: readonly (readonly Draw[])[],
  used: readonly (readonly number[])[]
): readonly number[] {
  const byDraw = new Map(groups.flatMap((group, g) => group.map((draw, i) => [draw, used[g]?.[i] ?? 0] as const)))
  return draws.map(draw => byDraw.get(draw) ?? 0)
}
