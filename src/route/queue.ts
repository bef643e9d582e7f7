import { GateError } from '../errors.ts'
import type { Ms, NowMs } from '../time.ts'
import { CLASSES, type Class, RESERVED, rankOf } from './classes.ts'
import { Lane, type Party, type Ticket, type Waiting } from './lane.ts'

/** What a queue is bounded by. */
export interface QueueOptions {
  /** Calls of each class that may wait. */
  readonly size: number
  /** Those of one team among them. */
  readonly perTeam: number
  readonly timeoutMs: Ms
}

/** What a queue needs of its surroundings. */
export interface QueueDeps {
  /** For the log. */
  readonly pool: string
  readonly nowMs: NowMs
  /** Told how long each one waited, however that ended. */
  readonly onWaited?: ((pool: string, among: Class, tookMs: Ms) => void) | undefined
}

/** Something that waits. */
interface Waiter<Asker, Place> {
  readonly asker: Asker
  readonly resolve: (place: Place) => void
  readonly reject: (error: unknown) => void
  /** Nothing when it has had its place, or has gone. */
  leave(): void
}

/**
 * A class starves when others were served so often while nobody of it was, for so large a part of the time that a call may
 * wait (5 s of 30 s, operations.md section 2.7). The count is for slow engines: where a place comes free once in a while,
 * every class waits that long, and the order of the classes would be none.
 */
const STARVES_AFTER_OTHERS = 8
const STARVES_AFTER_SHARE = 1 / 6

/**
 * Calls that wait for a place: by class in strict order, in a class by what each team has had, in a team first come, first
 * served. A class below gets the places that are reserved for it, and the next one when it starves. Bounded in number and in
 * time; a caller who leaves makes room at once. Coming, going and being served cost the same however many calls wait.
 */
export class Queue<Asker extends Party, Place> {
  options: QueueOptions
  /** Calls that the pool takes at once; infinite for a pool where nobody ever waits. */
  capacity = Number.POSITIVE_INFINITY
  readonly #pool: string
  readonly #nowMs: NowMs
  readonly #onWaited: QueueDeps['onWaited']
  /** By rank; those that nobody has used are not there. */
  readonly #lanes: (Lane<Waiter<Asker, Place>> | undefined)[] = CLASSES.map(() => undefined)
  #size = 0

  constructor(options: QueueOptions, { pool, nowMs, onWaited }: QueueDeps) {
    this.options = options
    this.#pool = pool
    this.#nowMs = nowMs
    this.#onWaited = onWaited
  }

  /** How many wait now. */
  get size(): number {
    return this.#size
  }

  /** How many of each class wait now; the default and those that have been used. */
  depths(): readonly { readonly class: Class; readonly waiting: number }[] {
    return CLASSES.flatMap((name, rank) => {
      const lane = this.#lanes[rank]
      return lane === undefined && name !== 'default' ? [] : [{ class: name, waiting: lane?.waiting ?? 0 }]
    })
  }

  /** The turns of one class. */
  laneOf(name: Class): Lane<Waiter<Asker, Place>> {
    const rank = rankOf(name)
    const lane = this.#lanes[rank] ?? new Lane(this.#nowMs)
    this.#lanes[rank] = lane
    return lane
  }

  /** A call begins: its team is charged. @returns null where nobody ever waits, and nothing is charged */
  begin(party: Party): Ticket | null {
    return this.capacity === Number.POSITIVE_INFINITY ? null : this.laneOf(party.class).begin(party)
  }

  /**
   * Waits for a place.
   *
   * @param onLeave takes what must be called when the caller leaves; then nobody hears of the promise again
   * @throws (rejects with) TOLLGATE_ROUTE_FULL when too many wait, TOLLGATE_ROUTE_SHARE when too many of the team do,
   * TOLLGATE_ROUTE_LATE when it took too long
   */
  wait(asker: Asker, onLeave: (leave: () => void) => void): Promise<Place> {
    const { size, perTeam, timeoutMs } = this.options
    const facts = { pool: this.#pool, class: asker.class }
    const lane = this.laneOf(asker.class)
    const { waiting } = lane
    if (waiting >= size) return Promise.reject(new GateError('TOLLGATE_ROUTE_FULL', { ...facts, waiting }))
    const waitingOfTeam = lane.waitingOf(asker.team)
    if (waitingOfTeam >= perTeam) {
      return Promise.reject(new GateError('TOLLGATE_ROUTE_SHARE', { ...facts, waiting: waitingOfTeam }))
    }
    if (waiting === 0) this.#isServed(lane)
    return new Promise((resolve, reject) => {
      const sinceMs = performance.now()
      let place: Waiting<Waiter<Asker, Place>> | null = null
      const clock = setTimeout(() => {
        leave()
        reject(new GateError('TOLLGATE_ROUTE_LATE', { ...facts, afterMs: timeoutMs }))
      }, timeoutMs)
      const leave = () => {
        if (place === null) return
        lane.leave(place)
        place = null
        this.#size--
        clearTimeout(clock)
        this.#onWaited?.(this.#pool, asker.class, performance.now() - sinceMs)
      }
      place = lane.join(asker, { asker, resolve, reject, leave })
      this.#size++
      onLeave(leave)
    })
  }

  /**
   * Gives places to those whose turn it is, for as long as there are any.
   * @param place makes a place for one, or null when there is none; what it throws is that one's refusal
   */
  admit(place: (asker: Asker) => Place | null): void {
    for (;;) {
      const lane = this.#nextLane()
      const waiter = lane?.next() ?? null
      if (lane === null || waiter === null) return
      try {
        const given = place(waiter.asker)
        if (given === null) return
        for (const other of this.#lanes) if (other !== undefined) other.passedOver++
        this.#isServed(lane)
        waiter.leave()
        waiter.resolve(given)
      } catch (error) {
        waiter.leave()
        waiter.reject(error)
      }
    }
  }

  #isServed(lane: Lane<Waiter<Asker, Place>>): void {
    lane.hungrySinceMs = this.#nowMs()
    lane.passedOver = 0
  }

  /** The class that is served next: the one that has starved longest, else one with places of its own, else the highest. */
  #nextLane(): Lane<Waiter<Asker, Place>> | null {
    const starvedBeforeMs = this.#nowMs() - this.options.timeoutMs * STARVES_AFTER_SHARE
    let starved: Lane<Waiter<Asker, Place>> | null = null
    let reserved: Lane<Waiter<Asker, Place>> | null = null
    let highest: Lane<Waiter<Asker, Place>> | null = null
    for (const [rank, name] of CLASSES.entries()) {
      const lane = this.#lanes[rank]
      if (lane === undefined || lane.waiting === 0) continue
      highest ??= lane
      if (lane.running < Math.floor(this.capacity * RESERVED[name])) reserved ??= lane
      if (lane.passedOver < STARVES_AFTER_OTHERS || lane.hungrySinceMs > starvedBeforeMs) continue
      if (starved === null || lane.hungrySinceMs < starved.hungrySinceMs) starved = lane
    }
    return starved ?? reserved ?? highest
  }
}
