import { closeSync, openSync, readFileSync } from 'node:fs'

/** The admin listener's connections; more than probes, Prometheus and operators need at once. */
export const MAX_ADMIN_CONNECTIONS = 64

/** What the process needs besides: files, threads, listeners, the store, sinks, keys. */
const RESERVED = 64 + MAX_ADMIN_CONNECTIONS

/** Idle connections take memory too: one more than this is for operators to allow. */
const MOST = 20_000

/** How many descriptors the process may have open (`ulimit -n`); null where that is not known. */
export function descriptorLimit(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

/**
 * How many connections of callers there may be unless the configuration says it: each call needs a second descriptor, for its
 * engine, and the admin listener and the files of the process need some of their own.
 */
export function defaultMaxConnections(descriptors: number | null): number {
  if (descriptors === null) return MOST
  // With a very low limit some must do without what they need.
  return Math.min(MOST, Math.max(Math.floor((descriptors - RESERVED) / 2), Math.floor(descriptors / 8), 1))
}

/**
 * Whether the process can open one more file. A listener without a descriptor resets who connects, and Node says nothing of it.
 * @throws the file system's error, when it is another one
 */
export function hasDescriptors(): boolean {
  try {
    closeSync(openSync('/dev/null', 'r'))
    return true
  } catch (err) {
    if (err instanceof Error && 'code' in err && (err.code === 'EMFILE' || err.code === 'ENFILE')) return false
    throw err
  }
}
