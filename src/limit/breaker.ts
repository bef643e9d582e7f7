import type { Ms, NowMs } from '../time.ts'

/** So many failures within so long, and nothing is asked any more until a probe succeeds. */
const FAILURES = 5
const WITHIN_MS: Ms = 1_000

/** Says whether something that fails is still worth asking. */
export class Breaker {
  readonly #nowMs: NowMs
  readonly #onChange: (isOpen: boolean) => void
  /** When the last ones failed, the oldest first. */
  #failures: Ms[] = []
  #isOpen = false

  /** @param nowMs a clock that only goes forward @param onChange told once for each change */
  constructor(nowMs: NowMs, onChange: (isOpen: boolean) => void) {
    this.#nowMs = nowMs
    this.#onChange = onChange
  }

  /** True while nothing is to be asked. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  failed(): void {
    if (this.#isOpen) return
    const now = this.#nowMs()
    this.#failures = [...this.#failures.filter(at => now - at < WITHIN_MS), now]
    if (this.#failures.length >= FAILURES) this.#set(true)
  }

  /** A probe has succeeded. */
  mended(): void {
    if (this.#isOpen) this.#set(false)
  }

  #set(isOpen: boolean): void {
    this.#failures = []
    this.#isOpen = isOpen
    this.#onChange(isOpen)
  }
}
