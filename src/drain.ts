import type { FastifyInstance } from 'fastify'
import type { Transport } from './forward/transport.ts'
import type { Ms } from './time.ts'

const SWEEP_MS = 100
const CUT_GRACE_MS = 1_000
const SETTLE_MS = 10

/** How a gate ends. */
export interface DrainOptions {
  /** So long it goes on accepting. */
  readonly acceptMs: Ms
  /** So long what is running may take after that. */
  readonly timeoutMs: Ms
  /** Resolves when nothing is to be waited for any more. */
  readonly now: Promise<unknown>
  readonly transport: Pick<Transport, 'close' | 'inFlight'>
}

/** Goes on accepting for a while, stops listening, waits for what is running, then cuts what is left. */
export async function drain(
  app: FastifyInstance,
  { acceptMs, timeoutMs, now, transport }: DrainOptions
): Promise<void> {
  const accepting = timer(acceptMs)
  await Promise.race([accepting.done, now])
  accepting.cancel()
  // Right after the event loop has taken what waited to be accepted: the kernel resets what still waits when it closes.
  await new Promise(resolve => setImmediate(resolve))
  const closed = new Promise<void>(resolve => app.server.close(() => resolve()))
  // Fastify waits for idle keep-alive connections; a caller that holds one would keep us for over a minute.
  const sweep = setInterval(() => app.server.closeIdleConnections(), SWEEP_MS)
  app.server.closeIdleConnections()
  const late = timer(timeoutMs)
  await Promise.race([closed, late.done, now])
  transport.close({ cut: true })
  const grace = timer(CUT_GRACE_MS)
  await Promise.race([closed, grace.done])
  late.cancel()
  grace.cancel()
  clearInterval(sweep)
  app.server.closeAllConnections()
  await closed
  // A socket that has become a WebSocket tells of its end a moment later than the server does, and its line comes then.
  for (let ms = 0; transport.inFlight > 0 && ms < CUT_GRACE_MS; ms += SETTLE_MS) await timer(SETTLE_MS).done
}

/** A promise that a clock resolves. */
export function timer(ms: Ms): { done: Promise<void>; cancel: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const handle = setTimeout(resolve, ms)
  return { done: promise, cancel: () => clearTimeout(handle) }
}
