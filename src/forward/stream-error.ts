import type { GateError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { rejectionFrom } from './rejection.ts'

const REQUEST_FAULT = /invalid|bad_?request|not_?found|unprocessable/i

/**
 * What an error in the middle of an engine's stream means: the same as it would have meant as an answer. Its sentence is
 * kept where it is about the request; of the engine's own failures nothing is.
 *
 * @param error the `error` of the event: an object of any engine's shape, or a text
 */
export function streamErrorFrom(error: unknown, { target }: Exchange): GateError {
  const at = { pool: target.pool, origin: target.origin, wasSent: true, engine: target.engine }
  return rejectionFrom(statusOf(error), {}, JSON.stringify({ error }), at)
}

function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null) return 500
  const { code, type }: { code?: unknown; type?: unknown } = error
  const status = Number(code)
  if (Number.isInteger(status) && status >= 400 && status <= 599) return status
  return typeof type === 'string' && REQUEST_FAULT.test(type) ? 400 : 500
}
