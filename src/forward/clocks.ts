import type { Ms } from '../time.ts'
import type { RelayTimeout } from './failures.ts'
import type { Timeouts } from './options.ts'

/** The time limits of one call to an engine: to its first byte, between two pieces, and for the whole. */
export class Clocks {
  readonly #timeouts: Timeouts
  readonly #onTimeOut: (which: RelayTimeout, afterMs: Ms) => void
  /** To the first byte, then between pieces; null while nothing of the engine is waited for. */
  #piece: NodeJS.Timeout | null
  readonly #total: NodeJS.Timeout

  /** Begins to wait for the first byte. */
  constructor(timeouts: Timeouts, onTimeOut: (which: RelayTimeout, afterMs: Ms) => void) {
    const { firstByteMs, totalMs } = timeouts
    this.#timeouts = timeouts
    this.#onTimeOut = onTimeOut
    this.#piece = setTimeout(() => onTimeOut('first_byte', firstByteMs), firstByteMs)
    this.#total = setTimeout(() => onTimeOut('total', totalMs), totalMs)
  }

  /** The next piece is waited for from now on. */
  awaitPiece(): void {
    this.rest()
    const { idleMs } = this.#timeouts
    this.#piece = setTimeout(() => this.#onTimeOut('idle', idleMs), idleMs)
  }

  /** A piece came, and the next one is waited for. For every event of every stream. */
  refresh(): void {
    this.#piece?.refresh()
  }

  /** Nothing of the engine is waited for: a slow reader is no silent engine. */
  rest(): void {
    if (this.#piece !== null) clearTimeout(this.#piece)
    this.#piece = null
  }

  stop(): void {
    this.rest()
    clearTimeout(this.#total)
  }
}
