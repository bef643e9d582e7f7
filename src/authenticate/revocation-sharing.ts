import type { Revocation } from './revocation.ts'
import { MAX_REVOCATIONS, type SharedRevocations } from './revocation-store.ts'

/** What sharing is given. */
export interface SharingInit {
  readonly shared: SharedRevocations
  /** What this gate has to tell of an id; undefined for nothing. */
  readonly find: (id: string) => Revocation | undefined
  /** Takes what all gates have told. @returns the ids of what the store does not have */
  readonly merge: (all: readonly Revocation[]) => readonly string[]
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

/**
 * Tells other gates what this one knows, and asks what they know. While the store is away, what is made here waits to be told; a
 * store that was started anew is told everything that gates still know.
 */
export class RevocationSharing {
  readonly #init: SharingInit
  readonly #untold = new Set<string>()
  #version: string | null = null
  #state: 'unread' | 'there' | 'away' = 'unread'
  #isFull = false
  #asking: Promise<void> | null = null

  constructor(init: SharingInit) {
    this.#init = init
  }

  /** `unread`: the list has not been read since the gate began. */
  get status(): { readonly state: 'unread' | 'there' | 'away'; readonly untold: number } {
    return { state: this.#state, untold: this.#untold.size }
  }

  /** It is to be told. */
  owe(id: string): void {
    this.#untold.add(id)
  }

  /** Why others have not been told of it, or null. */
  whyUntold(id: string): 'full' | 'away' | null {
    if (!this.#untold.has(id)) return null
    return this.#isFull ? 'full' : 'away'
  }

  /** Tells and asks, at once or with what is under way. Never rejects. */
  ask(): Promise<void> {
    this.#asking ??= this.#exchange().finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  /** Tells what has just been made, whatever is under way. */
  async tell(): Promise<void> {
    await this.#asking
    await this.ask()
  }

  async #exchange(): Promise<void> {
    const { shared, merge, log } = this.#init
    try {
      await this.#tellAll()
      const read = await shared.read(this.#version)
      if (read !== null) {
        for (const id of merge(read.all)) this.#untold.add(id)
        this.#version = read.version
      }
      if (this.#state === 'away') log.warn({}, 'revocations are shared again')
      this.#state = 'there'
    } catch (err) {
      if (this.#state !== 'there') return
      const why = err instanceof Error ? err.message : String(err)
      log.warn({ why }, 'the store of revocations is away: what is known stays in force')
      this.#state = 'away'
    }
  }

  async #tellAll(): Promise<void> {
    const { shared, find, log } = this.#init
    let isFull = false
    for (const id of [...this.#untold]) {
      const one = find(id)
      if (one !== undefined && !(await shared.put(one))) {
        isFull = true
        continue
      }
      // It may have been lifted meanwhile: then that is still to be told.
      if (find(id) === one) this.#untold.delete(id)
    }
    if (isFull && !this.#isFull) log.error({ max: MAX_REVOCATIONS }, 'the store holds too many revocations')
    this.#isFull = isFull
  }
}
