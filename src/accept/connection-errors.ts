import type { GateErrorCode } from '../codes.ts'
import type { Ms, NowMs } from '../time.ts'

/** Who is told of connections that ended without a request. */
export interface ConnectionErrorEvents {
  /**
   * For the audit log.
   * @param suppressed how many were not told of since the last that was
   */
  onError(code: GateErrorCode, address: string, suppressed: number): void
  /** For the operator, once a minute for each code. @param count since the line before */
  onSummary(code: GateErrorCode, address: string, count: number): void
}

const WINDOW_MS: Ms = 60_000
/** Lines of the audit log in a minute: of one address, and of all together. */
const MAX_LINES_OF_ADDRESS = 5
const MAX_LINES = 100

/**
 * Counts what callers did wrong before there was a request, by code: bytes that are no HTTP, heads that were too long or too
 * slow, TLS handshakes that failed, connections over a limit. All are counted; a flood of them writes a bounded number of lines.
 */
export class ConnectionErrors {
  /** Since the start. */
  readonly counts = new Map<GateErrorCode, number>()
  readonly #nowMs: NowMs
  readonly #events: ConnectionErrorEvents
  /** Lines of this minute, by address. */
  readonly #lines = new Map<string, number>()
  readonly #summaries = new Map<GateErrorCode, { saidMs: Ms; count: number }>()
  #windowMs: Ms = Number.NEGATIVE_INFINITY
  #written = 0
  #suppressed = 0

  constructor(nowMs: NowMs, events: ConnectionErrorEvents) {
    this.#nowMs = nowMs
    this.#events = events
  }

  /** @param address of the peer; empty when it is not known */
  add(code: GateErrorCode, address: string): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1)
    const now = this.#nowMs()
    this.#write(code, address, now)
    const summary = this.#summaries.get(code) ?? { saidMs: Number.NEGATIVE_INFINITY, count: 0 }
    this.#summaries.set(code, summary)
    summary.count++
    if (Math.abs(now - summary.saidMs) < WINDOW_MS) return
    this.#events.onSummary(code, address, summary.count)
    summary.saidMs = now
    summary.count = 0
  }

  #write(code: GateErrorCode, address: string, now: Ms): void {
    // The wall clock may be set back.
    if (Math.abs(now - this.#windowMs) >= WINDOW_MS) {
      this.#windowMs = now
      this.#written = 0
      this.#lines.clear()
    }
    const lines = this.#lines.get(address) ?? 0
    if (this.#written >= MAX_LINES || lines >= MAX_LINES_OF_ADDRESS) {
      this.#suppressed++
      return
    }
    this.#lines.set(address, lines + 1)
    this.#written++
    this.#events.onError(code, address, this.#suppressed)
    this.#suppressed = 0
  }
}
