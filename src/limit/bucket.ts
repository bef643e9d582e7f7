import type { Ms } from '../time.ts'

/**
 * The arithmetic of limits. What is kept of a bucket is what was used of it, not what is left: so a bucket that nobody knows
 * is full, a changed amount keeps what was used, and nothing that is given back makes it fuller than full.
 */

/** Below it a difference is the error of adding fractions. */
const NOTHING = 1e-6

/** How much a bucket holds, and in what time an empty one fills by itself. */
export interface Rate {
  readonly amount: number
  readonly windowMs: Ms
}

/** What is still used of a bucket that fills by itself, after a while. A clock that went back has stood still. */
export function drained(used: number, elapsedMs: Ms, { amount, windowMs }: Rate): number {
  const left = used - (Math.max(0, elapsedMs) * amount) / windowMs
  return left > NOTHING ? left : 0
}

/** Whether a cost finds room. One that is larger than the bucket finds it in a full one, and leaves a debt. */
export function fits(used: number, cost: number, amount: number): boolean {
  return used + Math.min(cost, amount) <= amount + NOTHING
}

/** How long a cost that finds no room has to wait for it, when nobody else draws. At least 1. */
export function waitMs(used: number, cost: number, { amount, windowMs }: Rate): Ms {
  const short = used + Math.min(cost, amount) - amount
  return Math.max(1, Math.ceil((short * windowMs) / amount))
}

/** When a bucket is full again, when nobody draws. */
export function fullInMs(used: number, { amount, windowMs }: Rate): Ms {
  return Math.ceil((used * windowMs) / amount)
}

/**
 * What is used after something more was drawn or, below zero, given back. More than the amount is a debt.
 * @param most no more is drawn than up to here; what was used before stays used
 */
export function drawn(used: number, delta: number, most = Number.POSITIVE_INFINITY): number {
  return Math.max(0, delta > 0 ? Math.max(used, Math.min(used + delta, most)) : used + delta)
}
