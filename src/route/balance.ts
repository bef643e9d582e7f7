import type { TargetState } from './target-state.ts'

/** How a pool chooses among its targets. */
export const BALANCES = ['least_inflight', 'round_robin', 'session'] as const
/** One of them. */
export type Balance = (typeof BALANCES)[number]

/** A session goes elsewhere when its own target has so many times the work of the average. */
const SPILL = 1.25
/** An engine that makes so few answers at once, for each unit of its weight, is not busy, whatever the others do. */
const QUIET = 8

/**
 * The one with the least to do for its weight; ties at random, so that many gates do not all choose the same.
 *
 * @param targets not empty
 * @param random from 0 up to 1
 */
export function leastLoaded(targets: readonly TargetState[], random: () => number): TargetState {
  let best = first(targets)
  let least = best.pressure
  let ties = 1
  for (let i = 1; i < targets.length; i++) {
    const target = targets[i]
    if (target === undefined) break
    const { pressure } = target
    if (pressure < least) {
      best = target
      least = pressure
      ties = 1
    } else if (pressure === least && random() * ++ties < 1) best = target
  }
  return best
}

/** Takes turns, each as often as its weight says, spread evenly (smooth weighted round robin). @param targets not empty */
export function nextInTurn(targets: readonly TargetState[]): TargetState {
  let best = first(targets)
  let sum = 0
  for (const target of targets) {
    sum += target.weight
    target.credit += target.weight
    if (target.credit > best.credit) best = target
  }
  best.credit -= sum
  return best
}

/**
 * The target of a session: the same as long as it is there, and when it goes, its sessions alone are spread over the
 * others (rendezvous hashing). One that is too busy is passed over for the next in the session's own order, so that a
 * popular prompt does not drown one engine while others idle.
 *
 * @param targets not empty
 * @param key a hash of 32 bits
 */
export function ofSession(targets: readonly TargetState[], key: number): TargetState {
  let work = 0
  let weight = 0
  for (const target of targets) {
    work += target.inFlight
    weight += target.weight
  }
  let best: TargetState | null = null
  let highest = Number.NEGATIVE_INFINITY
  let spare: TargetState | null = null
  let leastPressure = Number.POSITIVE_INFINITY
  for (const target of targets) {
    // Its share of all work, this call included, and a quarter more.
    const share = Math.ceil(((work + 1) * target.weight * SPILL) / weight)
    const limit = Math.max(share, QUIET * target.weight)
    if (target.inFlight + 1 > limit) {
      if (target.pressure < leastPressure) {
        spare = target
        leastPressure = target.pressure
      }
      continue
    }
    const rank = rankOf(key, target)
    if (rank > highest) {
      best = target
      highest = rank
    }
  }
  return best ?? spare ?? first(targets)
}

/** Weighted rendezvous: −weight ÷ ln(u), with u from the hash of session and target, above 0 and below 1. */
function rankOf(key: number, target: TargetState): number {
  const u = (mix(key ^ target.seed) + 0.5) / 2 ** 32
  return -target.weight / Math.log(u)
}

/** Spreads 32 bits over 32 bits: a finalizer of multiplications and shifts, each bit of which hangs on all. */
export function mix(bits: number): number {
  let x = bits >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return (x ^ (x >>> 15)) >>> 0
}

function first(targets: readonly TargetState[]): TargetState {
  const [target] = targets
  if (target === undefined) throw new TypeError('nothing to choose from')
  return target
}
