import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'
import type { Connection } from './connections.ts'
import { isClosed } from './failures.ts'

/**
 * An engine that gives up an idle connection has done so before it gets the request, so that the close is here within one
 * round trip. One that comes later is of an engine that had begun.
 */
const STALE_MS: Ms = 250

/** Tells a connection that its engine was giving up when a call met it from one whose engine had begun. */
export class Staleness {
  readonly #connection: Connection
  readonly #sentAtMs: Ms
  /** What the connection had read before the call. */
  readonly #heardBefore: Bytes

  /** Made when the call is written to its connection. */
  constructor(connection: Connection) {
    this.#connection = connection
    this.#sentAtMs = performance.now()
    this.#heardBefore = connection.socket?.bytesRead ?? 0
  }

  /** Whether it had been used before and was closed, with no byte of an answer, in the moment of use. */
  explains(cause: Error): boolean {
    const { isReused, socket } = this.#connection
    const isSilent = socket?.bytesRead === this.#heardBefore
    return isReused && isSilent && isClosed(cause) && performance.now() - this.#sentAtMs < STALE_MS
  }
}
