/** Teams whose values are compared. */
const MAX_TEAMS = 15
/** The seed stands in for teams that are missing to so many. */
const LEAST = 3

/** One value of each of several teams, and their median: one team moves it no further than to what another one has. */
export class Comparison {
  /** The median; the seed as long as there are fewer than two teams. */
  median: number
  readonly #seed: number
  readonly #values = new Map<string, number>()
  readonly #sorted: number[]

  /** @param seed the value to compare with as long as there are fewer than three teams */
  constructor(seed: number) {
    this.median = seed
    this.#seed = seed
    this.#sorted = Array.from({ length: LEAST }, () => seed)
  }

  /** Teams that have a value, up to the number that is compared. */
  get count(): number {
    return this.#values.size
  }

  /** A team has this value now. Moves it to its place among the others, which are in order. */
  set(team: string, value: number): void {
    const before = this.#values.get(team)
    const count = this.#values.size
    if (before === value || (before === undefined && count >= MAX_TEAMS)) return
    this.#values.set(team, value)
    const sorted = this.#sorted
    const isAdded = before === undefined && count >= LEAST
    let at = isAdded ? count : sorted.indexOf(before ?? this.#seed)
    const last = isAdded ? count : sorted.length - 1
    for (; at > 0 && (sorted[at - 1] as number) > value; at--) sorted[at] = sorted[at - 1] as number
    for (; at < last && (sorted[at + 1] as number) < value; at++) sorted[at] = sorted[at + 1] as number
    sorted[at] = value
    const middle = last / 2
    this.median = ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2
  }
}
