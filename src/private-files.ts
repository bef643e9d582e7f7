import { constants, lstatSync, openSync } from 'node:fs'

/** What of a file tells who may read and change it. */
export interface Ownership {
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

/** A file is a link, where a link could make the gate write somewhere else. Looks like an error of the file system. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
  readonly code = 'ELINK'
  readonly syscall = 'open'

  constructor(file: string, what: string) {
    super(`${file} is a link${what}. Put the file in its place`)
  }
}

const OTHERS_WRITE = 0o022
const OTHERS = 0o077
/** A mounted secret belongs to root, and is readable for the group of the gate (Kubernetes: `fsGroup`). */
const ALL_BUT_GROUP_READ = 0o037

/**
 * Whether a file or folder belongs to somebody else than root and whoever runs this: they could change it at any time.
 * @param isOperator a command: as root it is about files of the gate, whoever the gate runs as
 */
export function isForeign({ uid }: Pick<Ownership, 'uid'>, { isOperator = false } = {}): boolean {
  const own = process.getuid?.()
  return own !== undefined && uid !== 0 && uid !== own && !(isOperator && own === 0)
}

/** Whether others than the owner may change it. */
export function isWritableByOthers({ mode }: Pick<Ownership, 'mode'>): boolean {
  return (mode & OTHERS_WRITE) !== 0
}

/** Whether a secret may be read or changed by others than the owner, or than the group that root has given it to. */
export function isExposed({ uid, gid, mode }: Ownership): boolean {
  const isGivenToGroup = uid === 0 && (process.getuid?.() !== 0 || gid !== 0)
  return (mode & (isGivenToGroup ? ALL_BUT_GROUP_READ : OTHERS)) !== 0
}

/**
 * Opens a file, which is made when it is missing. A link is followed to a file that is there, and to no other: nothing is made
 * through a link.
 * @param flags without O_CREAT @throws LinkError for a link to what is not there @throws the file system's error
 */
export function openOrMake(file: string, flags: number, mode: number): number {
  try {
    return openSync(file, flags)
  } catch (err) {
    if (codeOf(err) !== 'ENOENT') throw err
  }
  try {
    return openSync(file, flags | constants.O_CREAT | constants.O_EXCL, mode)
  } catch (err) {
    if (codeOf(err) !== 'EEXIST') throw err
    if (isLink(file)) throw new LinkError(file, ' to what is not there')
    // Somebody else has just made it.
    return openSync(file, flags)
  }
}

/** Whether the name itself is a link, wherever it leads. */
export function isLink(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

/** Why a file cannot be opened: the words for a link, else the code of the file system. */
export function openFault(err: unknown): string {
  if (err instanceof LinkError) return err.message
  return err instanceof Error && 'code' in err ? String(err.code) : String(err)
}

function codeOf(err: unknown): unknown {
  return err instanceof Error && 'code' in err ? err.code : null
}
