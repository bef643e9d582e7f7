/** Of so many calls one may be tried again (security.md section 7, R1). */
const SHARE = 0.2
/** So many at once, when there were calls before. */
const MOST = 10
/** Teams that are remembered, the last ones that were new. */
const MAX_TEAMS = 256

/**
 * Bounds how much is tried again: when everything fails, second tries must not double the load. Each call earns its team a
 * fifth of a second try, and no team spends those of others.
 */
export class RetryBudget {
  readonly #saved = new Map<string, number>()

  /** A call was begun. */
  earn(team: string): void {
    const saved = this.#savedOf(team)
    if (saved < MOST) this.#saved.set(team, Math.min(saved + SHARE, MOST))
  }

  /** @returns false when too much was tried again of late */
  spend(team: string): boolean {
    const saved = this.#savedOf(team)
    if (saved < 1) return false
    this.#saved.set(team, saved - 1)
    return true
  }

  /** What a team has left. Enough for a quiet pool at first: its first call may be tried again. */
  #savedOf(team: string): number {
    const saved = this.#saved.get(team)
    if (saved !== undefined) return saved
    const [oldest] = this.#saved.keys()
    if (oldest !== undefined && this.#saved.size >= MAX_TEAMS) this.#saved.delete(oldest)
    return MOST / 2
  }
}
