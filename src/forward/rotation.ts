import type { NameAddress } from '../resolve/names.ts'
import type { Ms } from '../time.ts'
import { Bag, type Placed } from './bag.ts'

/** One address of a target, and the idle connections to it. */
export interface AddressSlot<T extends Placed = Placed> {
  readonly address: string
  readonly family: 4 | 6
  /** Where an SRV record says one. */
  readonly port: number | null
  readonly idle: Bag<T>
  /** True once the target's name does not lead there any more. */
  isGone: boolean
  /** Failed connects in a row. */
  failures: number
  /** Until when other addresses are tried first; 0 when none failed. */
  avoidUntilMs: Ms
}

const FIRST_AVOID_MS: Ms = 10_000
const MAX_AVOID_MS: Ms = 300_000

/**
 * The addresses of one target, which take turns. One that could not be connected to is passed over for 10 s, doubled each
 * time up to 300 s, while there is another. IPv6 has its turn only where IPv4 does not work: both are mostly one machine.
 */
export class Rotation<T extends Placed = Placed> {
  #slots: readonly AddressSlot<T>[] = []
  #next = 0

  /** Every slot, in the order of the addresses. */
  get slots(): readonly AddressSlot<T>[] {
    return this.#slots
  }

  /** Follows the addresses of the name. @returns the slots that are gone */
  follow(addresses: readonly NameAddress[]): readonly AddressSlot<T>[] {
    const before = this.#slots
    this.#slots = addresses.map(
      ({ address, family, port }) =>
        before.find(slot => slot.address === address && slot.port === port) ?? {
          address,
          family,
          port,
          idle: new Bag<T>(),
          isGone: false,
          failures: 0,
          avoidUntilMs: 0
        }
    )
    const gone = before.filter(slot => !this.#slots.includes(slot))
    for (const slot of gone) slot.isGone = true
    return gone
  }

  /** Whose turn it is, or null when there is no address. For every call: no more than a look at each address. */
  next(): AddressSlot<T> | null {
    const slots = this.#slots
    if (slots.length <= 1) return slots[0] ?? null
    const [first] = slots
    let other: AddressSlot<T> | null = null
    let avoided: AddressSlot<T> | null = null
    const begin = this.#next++
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[(begin + i) % slots.length]
      if (slot === undefined) break
      if (isAvoided(slot)) avoided ??= slot
      else if (slot.family === first?.family) {
        // The next one after it, and not after one that was passed over: its neighbour would get two turns.
        this.#next = begin + i + 1
        return slot
      } else other ??= slot
    }
    return other ?? avoided
  }

  /** The slots in the order in which a connection tries them: the one whose turn it is, then those that work. */
  order(first: AddressSlot<T>): readonly AddressSlot<T>[] {
    const others = this.#slots.filter(slot => slot !== first)
    return [first, ...others.filter(slot => !isAvoided(slot)), ...others.filter(isAvoided)]
  }

  /** A connection to it was made. */
  succeeded(slot: AddressSlot<T>): void {
    slot.failures = 0
    slot.avoidUntilMs = 0
  }

  /** It could not be connected to. */
  failed(slot: AddressSlot<T>): void {
    slot.avoidUntilMs = performance.now() + Math.min(FIRST_AVOID_MS * 2 ** slot.failures, MAX_AVOID_MS)
    slot.failures = Math.min(slot.failures + 1, 16)
  }
}

function isAvoided({ avoidUntilMs }: AddressSlot): boolean {
  return avoidUntilMs !== 0 && performance.now() < avoidUntilMs
}
