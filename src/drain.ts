import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { OpenSockets } from './accept/open-sockets.ts'
import { timer } from './closing.ts'
import type { Transport } from './forward/transport.ts'
import type { Ms } from './time.ts'

/** How long a caller may take to use a connection again that it was not told to leave. */
const LINGER_MS = 1_000
const TAKE_IN_MS = 1_000
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
  readonly sockets: Pick<OpenSockets, 'letGo' | 'destroyStrangers' | 'destroyAll'>
}

/**
 * Goes on accepting for a while, but keeps no connection after its answer; stops listening, waits for calls that are running, then
 * cuts what is left. Connections that have no request, or that of a stranger who has not sent its body, are not waited for.
 */
export async function drain(
  app: FastifyInstance,
  { acceptMs, timeoutMs, now, transport, sockets }: DrainOptions
): Promise<void> {
  // A call may be on its way over a connection that is closed for being idle: whoever keeps one shall open another instead.
  app.server.prependListener('request', (_request, response) => {
    response.shouldKeepAlive = false
  })
  // What has begun may have said nothing of it: closed with its end, the caller's next call would be on its way just then.
  app.server.keepAliveTimeout = LINGER_MS
  const accepting = timer(acceptMs)
  await Promise.race([accepting.done, now])
  accepting.cancel()
  // From now on, so that no flood of connections makes it later.
  const late = timer(timeoutMs)
  await takeIn(app.server, now)
  // Closes what is idle now too; what becomes so later lingers.
  const closed = new Promise<void>(resolve => app.server.close(() => resolve()))
  sockets.letGo({ lingerMs: LINGER_MS })
  await Promise.race([closed, late.done, now])
  transport.close({ cut: true })
  // Only a call has something to say at its end: logins and the like are not waited for any longer.
  sockets.destroyStrangers()
  const grace = timer(CUT_GRACE_MS)
  await Promise.race([closed, grace.done])
  late.cancel()
  grace.cancel()
  sockets.destroyAll()
  const gone = timer(CUT_GRACE_MS)
  await Promise.race([closed, gone.done])
  gone.cancel()
  // A socket that has become a WebSocket tells of its end a moment later than the server does, and its line comes then.
  for (let ms = 0; transport.inFlight > 0 && ms < CUT_GRACE_MS; ms += SETTLE_MS) await timer(SETTLE_MS).done
}

/**
 * Takes all who wait at the listener: the kernel resets those who still do when it closes. The event loop takes one with
 * every turn, so nobody waits when a turn has brought nobody. Who goes on coming in every turn is not waited for for ever.
 */
async function takeIn(server: Server, now: Promise<unknown>): Promise<void> {
  const late = timer(TAKE_IN_MS)
  let [came, isOver] = [true, false]
  const onConnection = () => {
    came = true
  }
  void Promise.race([late.done, now]).then(() => {
    isOver = true
  })
  server.on('connection', onConnection)
  // The first turn may have looked at the listener before the moment in which this was called.
  await turn()
  while (came && !isOver) {
    came = false
    await turn()
  }
  server.off('connection', onConnection)
  late.cancel()
}

const turn = () => new Promise(resolve => setImmediate(resolve))
