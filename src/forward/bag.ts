/** Something that a bag can hold. Only the bag writes its place. */
export interface Placed {
  /** Where it lies in the bag that holds it, or -1. */
  place: number
}

/**
 * Things without an order that are added and removed with every request: both cost the same however many there are.
 *
 * Not a Set, on purpose: after every few dozen deletions V8 copies a Set into a new table, and the old one keeps alive
 * what it held until the next full collection. With a Set here, four kilobytes of every request outlived it, and each
 * young collection took 9 ms instead of 1.
 */
export class Bag<T extends Placed> {
  readonly #things: T[] = []

  get size(): number {
    return this.#things.length
  }

  /** @param thing is in no bag */
  add(thing: T): void {
    thing.place = this.#things.length
    this.#things.push(thing)
  }

  /** Removes a thing; one that is not in the bag is left alone. */
  remove(thing: T): void {
    const { place } = thing
    if (this.#things[place] !== thing) return
    thing.place = -1
    const last = this.#things.pop()
    if (last === undefined || last === thing) return
    this.#things[place] = last
    last.place = place
  }

  /** Takes out the thing that came last, as far as nothing was removed since, or undefined when the bag is empty. */
  pop(): T | undefined {
    const thing = this.#things.pop()
    if (thing !== undefined) thing.place = -1
    return thing
  }

  /** What is in the bag now; adding and removing meanwhile do no harm. */
  all(): readonly T[] {
    return [...this.#things]
  }
}
