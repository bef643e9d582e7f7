/** Teams that are remembered, and keys (models, engines) of each. */
const MAX_TEAMS = 1_000
const MAX_KEYS = 64
/** Keys for which teams are compared. */
const MAX_COMMON = 1_000

/** What is learned of one key: by one team, and of all teams together. */
export interface Learned<Own, Common> {
  readonly own: Own
  readonly common: Common
}

/**
 * Something that is learned for each team and key, bounded: a team pushes nothing but its own out of memory. Nothing of it
 * takes longer with more teams.
 */
export class TeamMemory<Own, Common> {
  readonly #make: { readonly own: () => Own; readonly common: () => Common }
  readonly #teams = new RecentMap<RecentMap<Own>>(MAX_TEAMS)
  readonly #common = new RecentMap<Common>(MAX_COMMON)
  /** Of a key of which nothing is known. */
  readonly #unknown: Common
  /** What was used last. The steps of one call find it here. */
  #last: (Learned<Own, Common> & { readonly team: string; readonly key: string }) | null = null

  /** @param make what there is before anything is learned */
  constructor(make: { readonly own: () => Own; readonly common: () => Common }) {
    this.#make = make
    this.#unknown = make.common()
  }

  /** What a team has for a key. It does not count as used. */
  get(team: string, key: string): Own | undefined {
    const last = this.#last
    if (last !== null && last.key === key && last.team === team) return last.own
    return this.#teams.get(team)?.get(key)
  }

  /** What all teams have for a key; as at the beginning where nothing is known. Not to be changed. */
  common(key: string): Common {
    const last = this.#last
    return last !== null && last.key === key ? last.common : (this.#common.get(key) ?? this.#unknown)
  }

  /** Both, made where there is none; team and key count as used last. */
  use(team: string, key: string): Learned<Own, Common> {
    const last = this.#last
    if (last !== null && last.key === key && last.team === team) return last
    const { own: makeOwn, common: makeCommon } = this.#make
    const own = this.#teams.use(team, newKeys<Own>).use(key, makeOwn)
    const common = this.#common.use(key, makeCommon)
    this.#last = { team, key, own, common }
    return this.#last
  }
}

function newKeys<Own>(): RecentMap<Own> {
  return new RecentMap<Own>(MAX_KEYS)
}

/** Keeps its values in the order of their use; the one that was used longest ago goes when there are too many. */
class RecentMap<V> {
  readonly #max: number
  readonly #nodes = new Map<string, RecentNode<V>>()
  /** Closes the ring: the newest is before it, the oldest behind it. */
  readonly #ring = new RecentNode<V | null>('', null)

  constructor(max: number) {
    this.#max = max
  }

  get(key: string): V | undefined {
    return this.#nodes.get(key)?.value
  }

  use(key: string, make: () => V): V {
    let node = this.#nodes.get(key)
    if (node === undefined) {
      if (this.#nodes.size >= this.#max) {
        const oldest = this.#ring.next
        oldest.unlink()
        this.#nodes.delete(oldest.key)
      }
      node = new RecentNode(key, make())
      this.#nodes.set(key, node)
    } else if (node === this.#ring.previous) return node.value
    else node.unlink()
    node.linkBefore(this.#ring)
    return node.value
  }
}

/** To move an entry of a `Map` to its end it would have to be deleted, and a `Map` copies itself after so many of those. */
class RecentNode<V> {
  readonly key: string
  readonly value: V
  previous: RecentNode<V | null> = this
  next: RecentNode<V | null> = this

  constructor(key: string, value: V) {
    this.key = key
    this.value = value
  }

  unlink(): void {
    this.previous.next = this.next
    this.next.previous = this.previous
  }

  linkBefore(other: RecentNode<V | null>): void {
    this.previous = other.previous
    this.next = other
    this.previous.next = this
    other.previous = this
  }
}
