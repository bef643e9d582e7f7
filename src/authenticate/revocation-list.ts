import type { Revocation } from './revocation.ts'
import { codeOf, RevocationFileError, readKept, writeKept } from './revocation-keep.ts'

/**
 * What operators have revoked, on whatever gate, and what they have lifted; kept in a file where there is one.
 *
 * A lifted one wins over one in force, so that lists of several gates can be put together in any order.
 */
export class RevocationList {
  readonly #file: string | null
  readonly #log: { error(facts: object, message: string): void }
  readonly #isReadOnly: boolean
  readonly #known = new Map<string, Revocation>()
  #fault: string | null = null

  /** @throws RevocationFileError when what was kept cannot be read, or nothing can be kept */
  constructor(file: string | null, log: { error(facts: object, message: string): void }, isReadOnly = false) {
    this.#file = file
    this.#isReadOnly = isReadOnly
    this.#log = log
    if (file === null) return
    for (const one of readKept(file)) this.#known.set(one.id, one)
    // Now, so that a place that takes no file is seen at the start.
    this.#write()
    if (this.#fault !== null) throw unkept(file, this.#fault)
  }

  /** Lifted ones count too. */
  get size(): number {
    return this.#known.size
  }

  /** Where it is kept, and why the last change could not be; null where it is not kept. */
  get keep(): { readonly path: string; readonly fault: string | null } | null {
    return this.#file === null ? null : { path: this.#file, fault: this.#fault }
  }

  get(id: string): Revocation | undefined {
    return this.#known.get(id)
  }

  ids(): readonly string[] {
    return [...this.#known.keys()]
  }

  inForce(): readonly Revocation[] {
    return [...this.#known.values()].filter(({ liftedAtMs }) => liftedAtMs === null)
  }

  put(one: Revocation): void {
    this.#known.set(one.id, one)
    this.#write()
  }

  /** Takes what another list has. @returns whether anything is new, and the ids of what the other one does not have */
  merge(
    all: readonly Revocation[],
    hasEnded: (one: Revocation) => boolean
  ): { readonly isChanged: boolean; readonly missing: readonly string[] } {
    const theirs = new Map(all.map(one => [one.id, one]))
    const fresh = all.filter(one => {
      const known = this.#known.get(one.id)
      const isNews = known === undefined || (known.liftedAtMs === null && one.liftedAtMs !== null)
      return isNews && !hasEnded(one)
    })
    for (const one of fresh) this.#known.set(one.id, one)
    if (fresh.length > 0) this.#write()
    const missing = this.ids().filter(id => {
      const said = theirs.get(id)
      return said === undefined || (said.liftedAtMs === null && this.#known.get(id)?.liftedAtMs !== null)
    })
    return { isChanged: fresh.length > 0, missing }
  }

  /** Forgets what has ended. @returns whether anything had */
  sweep(hasEnded: (one: Revocation) => boolean): boolean {
    const ended = [...this.#known.values()].filter(hasEnded)
    for (const { id } of ended) this.#known.delete(id)
    if (ended.length > 0) this.#write()
    return ended.length > 0
  }

  #write(): void {
    if (this.#file === null || this.#isReadOnly) return
    try {
      writeKept(this.#file, [...this.#known.values()])
      this.#fault = null
    } catch (err) {
      this.#fault = codeOf(err)
      this.#log.error(
        { file: this.#file, why: this.#fault, fix: 'revocation.keep: room, and a folder that the gate may write to' },
        'revocations cannot be kept'
      )
    }
  }
}

function unkept(file: string, why: string): RevocationFileError {
  return new RevocationFileError(
    `revocation.keep: revocations cannot be kept in ${file} (${why}); name a file in a folder that the gate may write to`
  )
}
