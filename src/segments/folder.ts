import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readLockFile, readSegmentFile, type SegmentName } from './format.ts'

/** A segment in a folder. */
export interface SegmentFile extends SegmentName {
  readonly path: string
}

/** The segments of one boot, in order. */
export interface Boot {
  readonly instance: string
  readonly boot: string
  readonly segments: readonly SegmentFile[]
  /** Its last segment may have no seal yet. */
  readonly hasLock: boolean
}

/**
 * Lists what stands in a folder, the oldest boot first. A segment that was open a moment ago may be sealed, and named so, by
 * the time it is read.
 * @throws the file system's error
 */
export function listBoots(dir: string): readonly Boot[] {
  const boots = new Map<string, { instance: string; boot: string; segments: SegmentFile[]; hasLock: boolean }>()
  const bootOf = ({ instance, boot }: { instance: string; boot: string }) => {
    // A ULID has one length: boots stand in their order, those of one moment by the names of their instances.
    const key = `${boot}-${instance}`
    const known = boots.get(key) ?? { instance, boot, segments: [], hasLock: false }
    boots.set(key, known)
    return known
  }
  for (const file of readdirSync(dir)) {
    const segment = readSegmentFile(file)
    if (segment !== null) bootOf(segment).segments.push({ ...segment, path: join(dir, file) })
    const lock = readLockFile(file)
    if (lock !== null) bootOf(lock).hasLock = true
  }
  for (const { segments } of boots.values()) segments.sort((a, b) => a.number - b.number)
  return [...boots].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, boot]) => boot)
}

/** The name that an open segment has when it is sealed. */
export function sealedPath(path: string): string {
  return path.endsWith('.open') ? path.slice(0, -'.open'.length) : path
}
