import { OTHER } from './family.ts'

/** What a label is when the request named nothing. */
export const NONE = 'none'

/**
 * Turns a name that a caller chose into a label: itself when it is one of ours, as long as there is room, else `other`.
 * What nobody knows is looked up and never kept.
 */
export class Names {
  readonly #isKnown: (name: string) => boolean
  readonly #max: number
  readonly #known = new Map<string, string>()

  constructor(init: { readonly isKnown: (name: string) => boolean; readonly max: number }) {
    this.#isKnown = init.isKnown
    this.#max = init.max
  }

  label(name: string | null | undefined): string {
    if (name === null || name === undefined) return NONE
    // The text that was kept: its hash is known, that of a name out of a body is not.
    const known = this.#known.get(name)
    if (known !== undefined) return known
    if (this.#known.size >= this.#max || !this.#isKnown(name)) return OTHER
    this.#known.set(name, name)
    return name
  }

  /** Whether a label may still come. */
  isLabel(label: string): boolean {
    return label === NONE || label === OTHER || this.#known.has(label)
  }

  /** The names that have come. */
  all(): Iterable<string> {
    return this.#known.keys()
  }

  /** Forgets names that are no longer known, which makes room for others. */
  refresh(): void {
    for (const name of this.#known.keys()) if (!this.#isKnown(name)) this.#known.delete(name)
  }
}
