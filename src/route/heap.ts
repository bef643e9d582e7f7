/** Things in an order, the first of which is at hand. One that comes, goes or changes costs O(log n). */
export class Heap<T> {
  readonly #isBefore: (a: T, b: T) => boolean
  readonly #items: T[] = []
  readonly #placeOf = new Map<T, number>()

  /** @param isBefore whatever it looks at of an item that is here changes only right before `settle` is told of it */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  /** Takes it in, or finds its place anew after it has changed. */
  settle(item: T): void {
    const place = this.#placeOf.get(item) ?? this.#items.length
    this.#sink(item, this.#rise(item, place))
  }

  delete(item: T): void {
    const place = this.#placeOf.get(item)
    if (place === undefined) return
    this.#placeOf.delete(item)
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    this.#sink(last, this.#rise(last, place))
  }

  /** @returns where it stops; those that it passes move down */
  #rise(item: T, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const other = this.#items[above] as T
      if (!this.#isBefore(item, other)) break
      this.#put(other, place)
      place = above
    }
    return place
  }

  #sink(item: T, from: number): void {
    const items = this.#items
    let place = from
    for (;;) {
      let below = 2 * place + 1
      if (below >= items.length) break
      if (below + 1 < items.length && this.#isBefore(items[below + 1] as T, items[below] as T)) below++
      const other = items[below] as T
      if (!this.#isBefore(other, item)) break
      this.#put(other, place)
      place = below
    }
    this.#put(item, place)
  }

  #put(item: T, place: number): void {
    this.#items[place] = item
    this.#placeOf.set(item, place)
  }
}
