/** Of so many calls one may be tried again (security.md section 7, R1). */
const SHARE = 0.2
/** So many at once, when there were calls before. */
const MOST = 10

/**
 * Bounds how much is tried again: when everything fails, second tries must not double the load. Each call earns a fifth
 * of a second try.
 */
export class RetryBudget {
  // Enough for a quiet pool: its first call may be tried again.
  #saved = MOST / 2

  /** A call was begun. */
  earn(): void {
    this.#saved = Math.min(this.#saved + SHARE, MOST)
  }

  /** @returns false when too much was tried again of late */
  spend(): boolean {
    if (this.#saved < 1) return false
    this.#saved--
    return true
  }
}
