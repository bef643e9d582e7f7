import type { Policy } from './policies.ts'

/** What a limit has decided about a call. `near`: it was let through, and less than a fifth is left. */
export type Decision = 'allow' | 'near' | 'deny' | 'shadow_deny'

/** How often one limit has decided what. */
export interface Tallied {
  readonly policy: string
  readonly scope: string
  readonly resource: string
  readonly counts: Readonly<Record<Decision, number>>
}

const NEAR = 0.8

/** Counts what limits decide, by their names: as many as there are kinds of limits, whoever they are for. */
export class Tally {
  readonly #byPolicy = new Map<string, Tallied & { readonly counts: Record<Decision, number> }>()

  /** A call has drawn. @param used of each bucket then, in the order of the policies; null when nobody knows */
  admitted(policies: readonly Policy[], used: readonly number[] | null, shadowed: readonly Policy[]): void {
    for (const [i, policy] of policies.entries()) {
      if (shadowed.includes(policy)) this.#count(policy, 'shadow_deny')
      else this.#count(policy, (used?.[i] ?? 0) > policy.amount * NEAR ? 'near' : 'allow')
    }
  }

  /** A call was refused by one limit; nothing was drawn from the others. */
  refused(by: Policy, shadowed: readonly Policy[]): void {
    this.#count(by, 'deny')
    for (const policy of shadowed) this.#count(policy, 'shadow_deny')
  }

  all(): Iterable<Tallied> {
    return this.#byPolicy.values()
  }

  #count({ name, scope, resource }: Policy, decision: Decision): void {
    let known = this.#byPolicy.get(name)
    if (known === undefined) {
      known = { policy: name, scope, resource, counts: { allow: 0, near: 0, deny: 0, shadow_deny: 0 } }
      this.#byPolicy.set(name, known)
    }
    known.counts[decision]++
  }
}
