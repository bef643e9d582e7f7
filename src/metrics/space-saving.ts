/** What is known of one key. What it has truly come to lies between `count - error` and `count`. */
export interface Entry<Item> {
  readonly key: string
  readonly item: Item
  readonly count: number
  /** What may have been of keys that were here before; 0 while there is room for all. */
  readonly error: number
}

interface Place<Item> extends Entry<Item> {
  count: number
  /** Where it stands in the heap. */
  at: number
}

/**
 * The keys that come most, of however many there are, in bounded memory: who comes when there is no room takes the place of
 * the least, with its count as the error. While there are no more keys than places, every count is exact.
 *
 * Of a sum `n` of all weights, and `m` places: no count is too small, none is too large by more than n ÷ m, and every key
 * with more than n ÷ m is here. Finding takes one look-up, adding O(log m) steps at most.
 *
 * @see Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams (2005), Space-Saving
 */
export class SpaceSaving<Item> {
  readonly #max: number
  readonly #places = new Map<string, Place<Item>>()
  /** The least first: none is less than that at (i - 1) >> 1. */
  readonly #heap: Place<Item>[] = []

  /** @param max places, at least 1 */
  constructor(max: number) {
    this.#max = max
  }

  find(key: string): Entry<Item> | undefined {
    return this.#places.get(key)
  }

  /** Adds to a key; `item` is kept when the key is new. @param weight more than 0 */
  add(key: string, weight: number, item: () => Item): Entry<Item> {
    const known = this.#places.get(key)
    if (known === undefined) return this.#enter(key, weight, item())
    known.count += weight
    this.#sink(known)
    return known
  }

  /** Every key that is here, in no order. */
  entries(): Iterable<Entry<Item>> {
    return this.#heap
  }

  /** The `max` keys that have come to most for certain, the first most. */
  top(max: number): readonly Entry<Item>[] {
    const best: Entry<Item>[] = []
    if (max === 0) return best
    for (const entry of this.#heap) {
      const last = best.at(-1)
      if (best.length === max && last !== undefined && sureOf(entry) <= sureOf(last)) continue
      if (best.length === max) best.pop()
      best.splice(placeFor(entry, best), 0, entry)
    }
    return best
  }

  #enter(key: string, weight: number, item: Item): Entry<Item> {
    const least = this.#heap[0]
    if (least === undefined || this.#heap.length < this.#max) {
      const place = { key, item, count: weight, error: 0, at: this.#heap.length }
      this.#heap.push(place)
      this.#places.set(key, place)
      this.#rise(place)
      return place
    }
    this.#places.delete(least.key)
    const place = { key, item, count: least.count + weight, error: least.count, at: 0 }
    this.#heap[0] = place
    this.#places.set(key, place)
    this.#sink(place)
    return place
  }

  #rise(place: Place<Item>): void {
    while (place.at > 0) {
      const above = this.#heap[(place.at - 1) >> 1]
      if (above === undefined || above.count <= place.count) return
      this.#swap(place, above)
    }
  }

  #sink(place: Place<Item>): void {
    for (;;) {
      const left = this.#heap[2 * place.at + 1]
      const right = this.#heap[2 * place.at + 2]
      if (left === undefined) return
      const least = right === undefined || left.count <= right.count ? left : right
      if (least.count >= place.count) return
      this.#swap(place, least)
    }
  }

  #swap(a: Place<Item>, b: Place<Item>): void {
    const at = a.at
    a.at = b.at
    b.at = at
    this.#heap[a.at] = a
    this.#heap[b.at] = b
  }
}

/** What a key has come to at least. */
export function sureOf({ count, error }: Entry<unknown>): number {
  return count - error
}

function placeFor(entry: Entry<unknown>, best: readonly Entry<unknown>[]): number {
  let from = 0
  let to = best.length
  while (from < to) {
    const middle = (from + to) >> 1
    const there = best[middle]
    if (there !== undefined && sureOf(there) >= sureOf(entry)) from = middle + 1
    else to = middle
  }
  return from
}
