/** Teams that are remembered, and keys (models, operations, engines) of each. */
const MAX_TEAMS = 1_000
const MAX_KEYS = 64
/** Teams whose values are compared for one key, and keys for which that is done. */
const MAX_COMPARED = 15
const MAX_COMPARISONS = 1_000

/**
 * Something that is learned for each team and key, bounded: a team pushes nothing but its own out of memory.
 * What is new is compared between teams by a median, so that one team moves it no further than to what another one has.
 */
export class TeamMemory<T> {
  readonly #teams = new Map<string, Map<string, T>>()
  readonly #compared = new Map<string, Map<string, number>>()
  readonly #medians = new Map<string, number>()
  readonly #seed: number

  /** @param seed the value to compare with as long as there are fewer than three teams */
  constructor(seed: number) {
    this.#seed = seed
  }

  get(team: string, key: string): T | undefined {
    return this.#teams.get(team)?.get(key)
  }

  /** The value of a team, made where there is none; both count as used last. */
  at(team: string, key: string, make: () => T): T {
    const keys = this.#teams.get(team) ?? new Map<string, T>()
    touch(this.#teams, team, keys, MAX_TEAMS)
    const value = keys.get(key) ?? make()
    touch(keys, key, value, MAX_KEYS)
    return value
  }

  /** What teams have for a key: the median, the seed standing in for teams that are missing to three. */
  median(key: string): number {
    return this.#medians.get(key) ?? this.#seed
  }

  /** Teams that have something for a key, up to the number that is compared. */
  comparedCount(key: string): number {
    return this.#compared.get(key)?.size ?? 0
  }

  /** A team has this value now. Costs no more however many teams there are. */
  compare(team: string, key: string, value: number): void {
    const values = this.#compared.get(key) ?? new Map<string, number>()
    if (!values.has(team) && values.size >= MAX_COMPARED) return
    touch(this.#compared, key, values, MAX_COMPARISONS, old => this.#medians.delete(old))
    values.set(team, value)
    const all = [...values.values()]
    while (all.length < 3) all.push(this.#seed)
    all.sort((a, b) => a - b)
    const middle = (all.length - 1) / 2
    this.#medians.set(key, ((all[Math.floor(middle)] ?? 0) + (all[Math.ceil(middle)] ?? 0)) / 2)
  }
}

/** Puts an entry behind all others; the first one goes when there are too many. */
function touch<K, V>(map: Map<K, V>, key: K, value: V, max: number, onGone: (key: K) => void = () => {}): void {
  map.delete(key)
  const [oldest] = map.size >= max ? map.keys() : []
  if (oldest !== undefined) {
    map.delete(oldest)
    onGone(oldest)
  }
  map.set(key, value)
}
