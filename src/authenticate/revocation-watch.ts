import { statSync } from 'node:fs'
import type { Ms, NowMs } from '../time.ts'
import type { RevocationEntry } from './options.ts'
import type { Revocation } from './revocation.ts'
import { codeOf, RevocationFileError } from './revocation-keep.ts'

/** What a file of revocations says, or a report of what is wrong with it, with line and column. */
export type EntriesRead =
  | { readonly ok: true; readonly entries: readonly RevocationEntry[] }
  | { readonly ok: false; readonly report: string }

/** Reads a file of revocations. Never throws. */
export type ReadEntries = (
  file: string,
  issuers: readonly { readonly name: string; readonly issuer: string }[]
) => EntriesRead

interface WatchInit {
  readonly nowMs: NowMs
  readonly log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
  readonly read: () => EntriesRead
}

/** A file of revocations that is looked at. A faulty one changes nothing. */
export class RevocationWatch {
  readonly #file: string
  readonly #init: WatchInit
  #entries: readonly RevocationEntry[]
  #loadedAtMs: Ms
  #fault: string | null = null
  #seen: string
  #before: string

  /** @throws RevocationFileError when the file cannot be used */
  constructor(file: string, init: WatchInit) {
    this.#file = file
    this.#init = init
    this.#seen = stampOf(file)
    this.#before = this.#seen
    const read = init.read()
    if (!read.ok) throw new RevocationFileError(`the file of revocations cannot be used:\n${read.report}`)
    this.#entries = read.entries
    this.#loadedAtMs = init.nowMs()
  }

  get entries(): readonly RevocationEntry[] {
    return this.#entries
  }

  /** What it says, as revocations. @param cutStreams where an entry does not say */
  named(cutStreams: boolean): readonly Revocation[] {
    return this.#entries.map((entry, index) => ({
      ...entry,
      id: `file:${index + 1}`,
      madeAtMs: this.#loadedAtMs,
      untilMs: null,
      cutStreams: entry.cutStreams ?? cutStreams,
      liftedAtMs: null
    }))
  }

  get status(): { loadedAtMs: Ms; entries: number; fault: string | null } {
    return { loadedAtMs: this.#loadedAtMs, entries: this.#entries.length, fault: this.#fault }
  }

  /** Loads what has changed, when two looks agree: it may be written in pieces. @returns whether other entries hold now */
  look(): boolean {
    const now = stampOf(this.#file)
    if (now === this.#seen || now !== this.#before) {
      this.#before = now
      return false
    }
    this.#seen = now
    const read = this.#init.read()
    const file = this.#file
    if (!read.ok) {
      this.#fault = read.report
      this.#init.log.error(
        { file, report: read.report },
        'the file of revocations cannot be used; the last good one holds'
      )
      return false
    }
    this.#fault = null
    this.#entries = read.entries
    this.#loadedAtMs = this.#init.nowMs()
    this.#init.log.warn({ file, entries: read.entries.length }, 'the file of revocations was loaded anew')
    return true
  }
}

/** What the second list has and the first has not, and the other way round; where they stand does not matter. */
export function differencesOf(
  before: readonly RevocationEntry[],
  after: readonly RevocationEntry[]
): readonly [made: readonly RevocationEntry[], lifted: readonly RevocationEntry[]] {
  if (before === after) return [[], []]
  const textOf = ({ kind, iss, value, beforeMs }: RevocationEntry) => JSON.stringify([kind, iss, value, beforeMs])
  const without = (some: readonly RevocationEntry[], others: readonly RevocationEntry[]) => {
    const known = new Set(others.map(textOf))
    return some.filter(one => !known.has(textOf(one)))
  }
  return [without(after, before), without(before, after)]
}

/** Of the file that a name leads to: a mounted one changes by a symlink. */
function stampOf(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (err) {
    return codeOf(err)
  }
}
