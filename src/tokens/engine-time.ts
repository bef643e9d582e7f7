import type { Ms } from '../time.ts'
import type { Bytes } from '../units.ts'

/**
 * How long an engine has worked on a call, by the monotonic clock. Written by `forward`.
 *
 * An engine goes on while the gate reads nothing because its caller takes nothing: that time is noted by itself.
 */
export class EngineTime {
  /** `none`: the call has not gone out. `connecting`: no engine has it yet. `sent`: it was on a connection. */
  state: 'none' | 'connecting' | 'sent' | 'ended' = 'none'
  #heldMs: Ms = 0
  #sentAtMs: Ms = 0
  #firstByteAtMs: Ms | null = null
  #endedAtMs: Ms = 0
  #heldSinceMs: Ms | null = null
  #firstHeld: Held | null = null
  /** The first one that was no short interruption. */
  #firstStall: Held | null = null

  connecting(): void {
    this.state = 'connecting'
  }

  sent(): void {
    this.state = 'sent'
    this.#sentAtMs = performance.now()
    this.#firstByteAtMs = null
  }

  /** A piece of the answer came. */
  progressed(): void {
    this.#firstByteAtMs ??= performance.now()
  }

  /** The engine's answer has ended, or the gate wants no more of it. Only the first one counts. */
  ended(): void {
    this.resumed()
    if (this.state !== 'sent') return
    this.state = 'ended'
    this.#endedAtMs = performance.now()
  }

  /** Nothing more is read for now. @param bytesOut of the answer that were passed on */
  held(bytesOut: Bytes): void {
    this.#heldSinceMs = performance.now()
    this.#firstHeld ??= { atMs: this.#heldSinceMs, bytesOut }
    this.#firstStall ??= { atMs: this.#heldSinceMs, bytesOut }
  }

  resumed(): void {
    if (this.#heldSinceMs === null) return
    const heldMs = performance.now() - this.#heldSinceMs
    // Large events are held for moments from the beginning on, which says nothing of how fast they come.
    if (heldMs < STALL_MS && this.#firstStall?.atMs === this.#heldSinceMs) this.#firstStall = null
    this.#heldMs += heldMs
    this.#heldSinceMs = null
  }

  /** Total time in which nothing was read from the engine. */
  get heldMs(): Ms {
    return this.#heldMs + (this.#heldSinceMs === null ? 0 : performance.now() - this.#heldSinceMs)
  }

  /** Since the call was sent; 0 for one that was not. */
  get workedMs(): Ms {
    if (this.state === 'sent') return performance.now() - this.#sentAtMs
    return this.state === 'ended' ? this.#endedAtMs - this.#sentAtMs : 0
  }

  /** From sending to the first piece of the answer; null when none has come. */
  get firstByteMs(): Ms | null {
    return this.#firstByteAtMs === null ? null : this.#firstByteAtMs - this.#sentAtMs
  }

  /**
   * By which factor an engine has made more than was read, when it went on as fast as before the first time that nothing was
   * read; null where that time was too short to tell.
   */
  overhang(bytesOut: Bytes): number | null {
    const first = this.#firstByteAtMs
    if (first === null || bytesOut === 0) return null
    const held = [this.#firstStall, this.#firstHeld].find(held => held !== null && held.atMs - first >= MIN_READ_MS)
    if (held === undefined || held === null) return null
    const readMs = held.atMs - first
    const allMs = this.#sentAtMs + this.workedMs - first
    return Math.max(1, ((held.bytesOut / bytesOut) * allMs) / readMs)
  }
}

/** The reader has taken nothing from then on. */
interface Held {
  readonly atMs: Ms
  readonly bytesOut: Bytes
}

/** A reader who takes nothing for so long has stalled. */
const STALL_MS: Ms = 200
/** A shorter time says nothing of how fast an engine is. */
const MIN_READ_MS: Ms = 200
