import type { Revocation } from '../../src/authenticate/revocation.ts'
import type { SharedRevocations } from '../../src/authenticate/revocation-store.ts'

/** A revocation of a subject; a test names what differs. */
export const revocation = (of: Partial<Revocation> = {}): Revocation => ({
  id: 'r-1',
  kind: 'sub',
  iss: 'https://idp',
  value: 'u',
  beforeMs: 1_000,
  madeAtMs: 1_000,
  untilMs: 4_000_000,
  cutStreams: false,
  reason: null,
  liftedAtMs: null,
  ...of
})

/** What gates share, in memory. */
export class MemoryRevocations implements SharedRevocations {
  readonly #all = new Map<string, Revocation>()
  readonly #max: number
  #version = 0
  /** Answers nothing while it is. */
  isAway = false

  constructor({ max = 5_000 } = {}) {
    this.#max = max
  }

  async read(version: string | null): Promise<{ version: string; all: readonly Revocation[] } | null> {
    this.#answer()
    const now = this.#version === 0 ? '' : String(this.#version)
    return version === now ? null : { version: now, all: [...this.#all.values()] }
  }

  async put(one: Revocation): Promise<boolean> {
    this.#answer()
    const known = this.#all.get(one.id)
    if (known !== undefined && known.liftedAtMs !== null && one.liftedAtMs === null) return true
    if (JSON.stringify(known) === JSON.stringify(one)) return true
    if (known === undefined && this.#all.size >= this.#max) return false
    this.#all.set(one.id, one)
    this.#version++
    return true
  }

  #answer(): void {
    if (this.isAway) throw new Error('away')
  }
}
