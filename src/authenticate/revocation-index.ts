import type { Identity } from '../exchange.ts'
import { type Ms, msFromSec } from '../time.ts'
import type { Revocation, RevocationKind } from './revocation.ts'

/** What is asked of a principal. */
export type Revocable = Pick<Identity, 'iss' | 'sub' | 'team' | 'jti' | 'kid' | 'iatSec'>

interface Mark {
  readonly id: string
  readonly beforeMs: Ms
}

/** By issuer, then by name: two names never run together. Null stands for every issuer. */
type Marks = Map<string | null, Map<string, Mark>>

/**
 * Says whether a principal was taken back, in the same time however many are, and in next to none when none is.
 * Made anew with every change.
 */
export class RevocationIndex {
  readonly #marks: Readonly<Record<RevocationKind, Marks>> = {
    jti: new Map(),
    sub: new Map(),
    team: new Map(),
    kid: new Map()
  }
  readonly #isEmpty: boolean

  constructor(revocations: readonly Revocation[]) {
    this.#isEmpty = revocations.length === 0
    for (const { id, kind, iss, value, beforeMs } of revocations) {
      const marks = this.#marks[kind]
      const names = marks.get(iss) ?? new Map<string, Mark>()
      marks.set(iss, names)
      const mark = { id, beforeMs: beforeMs ?? Number.POSITIVE_INFINITY }
      // Of several the one that reaches furthest.
      if ((names.get(value)?.beforeMs ?? Number.NEGATIVE_INFINITY) < mark.beforeMs) names.set(value, mark)
    }
  }

  /** The id of what revokes a principal, or null. */
  find(who: Revocable): string | null {
    if (this.#isEmpty) return null
    const { jti, sub, team, kid } = this.#marks
    return (
      look(jti, who.iss, who.jti, who) ??
      look(sub, who.iss, who.sub, who) ??
      look(team, who.iss, who.team, who) ??
      look(team, null, who.team, who) ??
      look(kid, who.iss, who.kid, who)
    )
  }
}

function look(marks: Marks, iss: string | null, name: string | null, { iatSec }: Revocable): string | null {
  if (marks.size === 0 || name === null) return null
  const mark = marks.get(iss)?.get(name)
  return mark !== undefined && msFromSec(iatSec) < mark.beforeMs ? mark.id : null
}
