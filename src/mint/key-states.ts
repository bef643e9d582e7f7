import type { Ms } from '../time.ts'
import type { KeyTimes } from './key-file.ts'

/**
 * What a key is at a moment.
 *
 * `next`: published a moment ago; gates that share the folder may not have read it. `waiting`: they all have; what others
 * remember of the set runs out. `signing`: this one. `retired`: it has signed, and stays published while its tokens live.
 * `gone`: nobody publishes it any more.
 */
export type KeyState = 'next' | 'waiting' | 'signing' | 'retired' | 'gone'

/** How keys follow each other. */
export interface RingTimes {
  /** How long a key signs. */
  readonly rotateMs: Ms
  /** How long a key is published before it signs. */
  readonly waitMs: Ms
  /** How long a key stays published after it has signed. */
  readonly keepMs: Ms
  /** After so long, every gate that reads the folder as often as it should has read a new key. */
  readonly settleMs: Ms
}

/** A key with what it is, since when, and when it will be something else. */
export interface KeyView<K> {
  readonly key: K
  readonly state: KeyState
  readonly sinceMs: Ms
  /** Null where nothing is planned yet. */
  readonly untilMs: Ms | null
}

/** What a gate itself has seen of the folder. */
export interface Seen<K> {
  /** The key that it signs with. */
  readonly current: number | null
  /** Whether it has known a key for so long that the others must know it too. */
  readonly isSettled: (key: K) => boolean
}

/** How keys follow each other where nobody has said how. */
export const DEFAULT_TIMES = { rotateMs: 30 * 86_400_000, waitMs: 900_000, keepMs: 3_900_000 } as const

/** How often a folder is read at most. */
const POLL_MS: Ms = 2_000
/** How often a folder is read: often enough that a key is known everywhere well before it signs. */
export function pollMsOf({ waitMs }: { readonly waitMs: Ms }): Ms {
  return Math.max(50, Math.min(POLL_MS, Math.floor(waitMs / 5)))
}

/** With what follows from the rest. */
export function ringTimes(of: Pick<RingTimes, 'rotateMs' | 'waitMs' | 'keepMs'>): RingTimes {
  return { ...of, settleMs: 2 * pollMsOf(of) }
}

/** A key from further in the future was made by a clock that is wrong, and holds up no rotation. */
const PLAUSIBLE_MS: Ms = 300_000

/**
 * The key to sign with: the newest whose time has come. A gate that has been signing goes on with its key until it has known
 * the new one for a while itself, whatever the clock of its maker said.
 * @param keys of a folder, by generation @returns null when there is none at all
 */
export function signingKey<K extends KeyTimes>(keys: readonly K[], nowMs: Ms, seen: Seen<K>): K | null {
  const ready = keys.filter(key => key.signsFromMs <= nowMs)
  const newest = ready.at(-1)
  // Nobody's time has come: a clock was set back, or keys were taken away. The oldest has been published longest.
  if (newest === undefined) return keys[0] ?? null
  if (seen.isSettled(newest)) return newest
  return ready.find(({ generation }) => generation === seen.current) ?? newest
}

/** What each key is at a moment. A function of the files and the clock: gates that share a folder see the same. */
export function viewKeys<K extends KeyTimes>(
  keys: readonly K[],
  times: RingTimes,
  nowMs: Ms,
  seen: Seen<K>
): readonly KeyView<K>[] {
  const signing = signingKey(keys, nowMs, seen)
  return keys.map((key, index) => {
    const { createdAtMs, signsFromMs } = key
    const later = keys.slice(index + 1)
    const retiredAtMs = later.length === 0 ? null : Math.min(...later.map(next => next.signsFromMs))
    // One that took the place of another in an emergency has that one's time.
    const sinceMs = Math.max(signsFromMs, createdAtMs)
    if (key === signing) return { key, state: 'signing', sinceMs, untilMs: retiredAtMs }
    if (retiredAtMs !== null && retiredAtMs <= nowMs) {
      // Gates may have signed with it for a moment longer.
      const goneAtMs = retiredAtMs + times.settleMs + Math.max(key.keepMs, times.keepMs)
      if (goneAtMs <= nowMs) return { key, state: 'gone', sinceMs: goneAtMs, untilMs: null }
      return { key, state: 'retired', sinceMs: retiredAtMs, untilMs: goneAtMs }
    }
    const settledAtMs = createdAtMs + times.settleMs
    if (nowMs < settledAtMs) return { key, state: 'next', sinceMs: createdAtMs, untilMs: settledAtMs }
    return { key, state: 'waiting', sinceMs: settledAtMs, untilMs: signsFromMs }
  })
}

/** Whether it is time to publish the next key, so that it has waited when the one before it has signed for long enough. */
export function isNextDue(keys: readonly KeyTimes[], { rotateMs, waitMs }: RingTimes, nowMs: Ms): boolean {
  const newest = keys.findLast(({ createdAtMs }) => createdAtMs <= nowMs + PLAUSIBLE_MS)
  return newest === undefined || nowMs >= newest.signsFromMs + rotateMs - waitMs
}
