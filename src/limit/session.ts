import { GateError } from '../errors.ts'
import type { Exchange, Reservation } from '../exchange.ts'
import type { Limiter, Verdict } from './limiter.ts'

/**
 * Makes what draws from the limits of each model that a realtime session names, once. Those of the model that it began with
 * have been drawn from already; all of them are settled when it ends.
 *
 * Where the store is asked, the session goes on meanwhile: `refuse` is told when it should not have.
 *
 * @throws (from what is returned) GateError when the model is refused at once
 */
export function createModelEntry(
  limiter: Pick<Limiter, 'admitModel'>,
  exchange: Exchange
): (refuse: (error: GateError) => void) => void {
  const drawn = new Set([exchange.call.model])
  const enter = ({ reservation, shadowed, error }: Verdict) => {
    exchange.shadowed = [...exchange.shadowed, ...shadowed]
    if (reservation === null) return error
    if (exchange.endedAtMs !== null) reservation.settle(exchange)
    else exchange.reservation = both(exchange.reservation, reservation)
    return null
  }
  return refuse => {
    const { model } = exchange.call
    if (drawn.has(model)) return
    drawn.add(model)
    const verdict = limiter.admitModel(exchange)
    if (verdict instanceof Promise) {
      verdict.then(enter).then(
        error => {
          if (error !== null) refuse(error)
        },
        (cause: unknown) =>
          refuse(cause instanceof GateError ? cause : new GateError('TOLLGATE_INTERNAL', {}, { cause }))
      )
      return
    }
    const error = enter(verdict)
    if (error !== null) throw error
  }
}

function both(one: Reservation | null, other: Reservation): Reservation {
  if (one === null) return other
  return {
    settle(exchange) {
      one.settle(exchange)
      other.settle(exchange)
    }
  }
}
