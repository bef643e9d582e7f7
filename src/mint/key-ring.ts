import { join } from 'node:path'
import type { Ms } from '../time.ts'
import {
  KeyRingError,
  makeKey,
  type PublicJwk,
  publicPart,
  type RingKey,
  type SigningAlgorithm,
  type SigningKey
} from './key-file.ts'
import { type FolderRead, PUBLIC_FILE, placeKey, prepareFolder, readFolder, writePublic } from './key-folder.ts'
import { DEFAULT_TIMES, type KeyView, type RingTimes, ringTimes, viewKeys } from './key-states.ts'

export { KeyRingError, SIGNING_ALGORITHMS, type SigningAlgorithm, type SigningKey } from './key-file.ts'

/** The keys of a folder. */
export interface KeyRing {
  /** Read it for every signature: it changes with time. */
  readonly signing: SigningKey
  /** What everybody may verify with. */
  readonly publicJwks: { readonly keys: readonly PublicJwk[] }
}

/** A folder of keys that is looked at once. */
export interface OpenedRing extends KeyRing {
  /** Where the public set stands: what `jwks_file` names. */
  readonly jwksFile: string
  /** True when this call made the keys. */
  readonly isNew: boolean
}

/**
 * Opens the keys of a folder as they are now; makes the first one when there is none. Private files are for their owner alone
 * (0600), the folder too. When two programs begin at once, one of them makes the key and both use it.
 *
 * @throws KeyRingError when a private file is readable for others, or not readable as a key
 */
export function openKeyRing(
  dir: string,
  { algorithm = 'ES256' }: { readonly algorithm?: SigningAlgorithm } = {}
): OpenedRing {
  const times = ringTimes(DEFAULT_TIMES)
  const { keys, isNew } = openFolder(dir, { algorithm, times, nowMs: Date.now() })
  const views = viewKeys(keys, times, Date.now(), { current: null, isSettled: () => true })
  const published = publishedOf(views)
  writePublic(dir, published)
  const signing = views.find(({ state }) => state === 'signing')?.key
  if (signing === undefined) throw new KeyRingError(`${dir} has no key`)
  return { signing, publicJwks: { keys: published.map(publicPart) }, jwksFile: join(dir, PUBLIC_FILE), isNew }
}

/** The key that comes after those of a folder. @param signsFromMs now for the first one of all, else when it has waited */
export function nextKey(
  keys: readonly RingKey[],
  init: {
    readonly algorithm: SigningAlgorithm
    readonly times: RingTimes
    readonly nowMs: Ms
    readonly signsFromMs?: Ms | undefined
  }
): RingKey {
  const { algorithm, times, nowMs, signsFromMs = keys.length === 0 ? nowMs : nowMs + times.waitMs } = init
  const generation = (keys.at(-1)?.generation ?? 0) + 1
  return { ...makeKey(algorithm), generation, createdAtMs: nowMs, signsFromMs, keepMs: times.keepMs }
}

/** Those that stand in the public set. */
export function publishedOf(views: readonly KeyView<RingKey>[]): readonly RingKey[] {
  return views.filter(({ state }) => state !== 'gone').map(({ key }) => key)
}

/** The keys of a folder that is made ready, with a first one. @throws KeyRingError for one that no gate should begin with */
export function openFolder(
  dir: string,
  init: { readonly algorithm: SigningAlgorithm; readonly times: RingTimes; readonly nowMs: Ms }
): { readonly keys: readonly RingKey[]; readonly isNew: boolean } {
  prepareFolder(dir, init.times.keepMs)
  let read = demand(readFolder(dir))
  // Nobody has seen a key of an empty folder, so that its first one signs at once.
  const isNew = read.length === 0 && placeKey(dir, nextKey([], init))
  if (read.length === 0) read = demand(readFolder(dir))
  return { keys: read, isNew }
}

/** Whoever begins has nothing to go on with. */
function demand({ keys, faults }: FolderRead): readonly RingKey[] {
  const [fault] = faults
  if (fault !== undefined) throw new KeyRingError(fault)
  return [...keys.values()].filter(key => key !== null)
}
