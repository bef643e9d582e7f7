/** What every label of a series is when its metric can have no more. */
export const OTHER = 'other'

interface Node<Child> {
  readonly next: Map<string, Node<Child>>
  child: Child | null
}

interface Entry<Values, Child> {
  readonly values: Values
  readonly child: Child
}

/**
 * The series of one metric, by the values of its labels. There are never more than `max`; what comes then is one series,
 * whose labels are all `other`. Looking one up makes nothing, so that it may be done for every request.
 */
export class Family<Values extends readonly string[], Child> {
  readonly #max: number
  readonly #make: (values: Values) => Child
  readonly #onFolded: () => void
  #root: Node<Child> = { next: new Map(), child: null }
  #entries: Entry<Values, Child>[] = []
  #other: Child | null = null

  constructor(init: {
    /** At least 1. */
    readonly max: number
    readonly make: (values: Values) => Child
    /** Told of every look-up that ended at `other` for want of room. */
    readonly onFolded: () => void
  }) {
    this.#max = init.max
    this.#make = init.make
    this.#onFolded = init.onFolded
  }

  get size(): number {
    return this.#entries.length + (this.#other === null ? 0 : 1)
  }

  /** The series of these values; made when it is new, as long as there is room. */
  at(...values: Values): Child {
    return this.#find(values) ?? this.#add(values) ?? this.#fold(values)
  }

  /** Makes a series before anything is to be counted, where there is room: it shows from its first value on. */
  expect(...values: Values): void {
    if (this.#find(values) === null) this.#add(values)
  }

  /** Every series. */
  *all(): Generator<Child> {
    for (const { child } of this.#entries) yield child
    if (this.#other !== null) yield this.#other
  }

  /** Forgets the series whose values are not to be kept. What was folded stays so. */
  retain(isKept: (values: Values) => boolean): void {
    const before = this.#entries
    this.#root = { next: new Map(), child: null }
    this.#entries = []
    for (const entry of before) {
      if (isKept(entry.values)) this.#place(entry)
    }
  }

  clear(): void {
    this.retain(() => false)
    this.#other = null
  }

  #find(values: Values): Child | null {
    let node: Node<Child> | undefined = this.#root
    for (const value of values) {
      node = node.next.get(value)
      if (node === undefined) return null
    }
    return node.child
  }

  #add(values: Values): Child | null {
    // One place is for `other`.
    if (this.#entries.length >= this.#max - 1 && values.length > 0) return null
    return this.#place({ values, child: this.#make(values) })
  }

  #place(entry: Entry<Values, Child>): Child {
    let node = this.#root
    for (const value of entry.values) {
      let next = node.next.get(value)
      if (next === undefined) {
        next = { next: new Map(), child: null }
        node.next.set(value, next)
      }
      node = next
    }
    node.child = entry.child
    this.#entries.push(entry)
    return entry.child
  }

  #fold(values: Values): Child {
    this.#onFolded()
    this.#other ??= this.#make(values.map(() => OTHER) as unknown as Values)
    return this.#other
  }
}
