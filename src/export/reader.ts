import { type Boot, listBoots } from '../segments/folder.ts'
import type { UsageEvent } from '../segments/format.ts'
import type { Bytes } from '../units.ts'
import type { Place } from './cursor.ts'
import { BootTail, type Trouble } from './tail.ts'

/** What is shipped at once. */
export interface Batch {
  readonly events: readonly UsageEvent[]
  /** Where each boot stands when the batch has been taken. */
  readonly places: ReadonlyMap<string, Place>
  /** Boots of the folder. */
  readonly present: ReadonlySet<string>
  /** Those of them that cannot be read now. */
  readonly unread: ReadonlySet<string>
}

/** How much that may be. */
export interface BatchLimits {
  readonly records: number
  readonly bytes: Bytes
}

interface Followed {
  readonly tail: BootTail
  /** Read, and not given yet. */
  waiting: readonly UsageEvent[]
  /** Behind what was given last. */
  given: Place
  /** Why it could not be read the last time. */
  fault: string | null
}

/** Follows the usages of a whole folder, whoever writes there: the oldest boot first. */
export class LedgerReader {
  readonly #dir: string
  readonly #places: ReadonlyMap<string, Place>
  readonly #tell: (trouble: Trouble) => void
  readonly #followed = new Map<string, Followed>()

  /** @param places where each boot was left @param tell is told of what cannot be shipped */
  constructor(dir: string, places: ReadonlyMap<string, Place>, tell: (trouble: Trouble) => void) {
    this.#dir = dir
    this.#places = places
    this.#tell = tell
  }

  /** Takes what comes next; an empty batch when there is nothing for now. @throws the file system's error */
  async next(limits: BatchLimits): Promise<Batch> {
    const boots = listBoots(this.#dir)
    const present = new Set(boots.map(sourceOf))
    for (const source of this.#followed.keys()) if (!present.has(source)) this.#followed.delete(source)
    const events: UsageEvent[] = []
    const places = new Map<string, Place>()
    const unread = new Set<string>()
    let room = limits.bytes
    for (const boot of boots) {
      const followed = this.#follow(sourceOf(boot), boot.boot)
      const before = followed.given
      for (;;) {
        if (followed.waiting.length === 0) followed.waiting = await this.#read(followed, boot, unread)
        const count = fitting(followed.waiting, limits.records - events.length, room, events.length === 0)
        const given = followed.waiting.slice(0, count.events)
        events.push(...given)
        room -= count.bytes
        followed.waiting = followed.waiting.slice(count.events)
        followed.given = placeBehind(followed, given.at(-1), boot.boot)
        if (followed.waiting.length > 0 || given.length === 0) break
      }
      if (!isSame(before, followed.given)) places.set(sourceOf(boot), followed.given)
      if (followed.waiting.length > 0) break
    }
    return { events, places, present, unread }
  }

  /** One that cannot be read does not hold up the others. */
  async #read(followed: Followed, boot: Boot, unread: Set<string>): Promise<readonly UsageEvent[]> {
    try {
      const events = await followed.tail.read(boot)
      followed.fault = null
      return events
    } catch (err) {
      const fault = err instanceof Error && 'code' in err ? String(err.code) : String(err)
      const message = `it cannot be read now (${fault})`
      if (followed.fault !== fault) this.#tell({ boot: boot.boot, file: null, message })
      followed.fault = fault
      unread.add(sourceOf(boot))
      return []
    }
  }

  #follow(source: string, boot: string): Followed {
    const known = this.#followed.get(source)
    if (known !== undefined) return known
    const given = this.#places.get(source) ?? { segment: -1, seq: -1, isDone: false }
    const tail = new BootTail(boot, this.#places.get(source) ?? null, this.#tell)
    const followed = { tail, waiting: [], given, fault: null }
    this.#followed.set(source, followed)
    return followed
  }
}

const sourceOf = ({ instance, boot }: { readonly instance: string; readonly boot: string }) => `${instance}/${boot}`

function fitting(
  events: readonly UsageEvent[],
  records: number,
  room: Bytes,
  isFirst: boolean
): { readonly events: number; readonly bytes: Bytes } {
  let [count, bytes] = [0, 0]
  for (const event of events.slice(0, records)) {
    // About as much as it takes on its way, whatever its dress there.
    const size = Buffer.byteLength(JSON.stringify(event)) + 64
    if (bytes + size > room && !(isFirst && count === 0)) break
    count++
    bytes += size
  }
  return { events: count, bytes }
}

/** While something waits, the tail is ahead of what was given. */
function placeBehind({ tail, waiting, given }: Followed, last: UsageEvent | undefined, boot: string): Place {
  if (waiting.length === 0) return tail.place
  return last === undefined ? given : { ...given, seq: Number(last.id.slice(boot.length + 1)) }
}

function isSame(a: Place, b: Place): boolean {
  return a.segment === b.segment && a.seq === b.seq && a.isDone === b.isDone
}
