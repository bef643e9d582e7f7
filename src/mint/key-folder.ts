import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  linkSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../make-folder.ts'
import { isExposed, isForeign, isWritableByOthers, type Ownership } from '../private-files.ts'
import type { Ms } from '../time.ts'
import { KeyRingError, keyText, publicPart, type RingKey, readKeyText, readSigningKey } from './key-file.ts'

/** What stands in a folder of keys. */
export interface FolderRead {
  /** By file, in the order of their generations; null for one that cannot be used. */
  readonly keys: ReadonlyMap<string, RingKey | null>
  /** What is wrong, in words of ours: nothing of a file's text. */
  readonly faults: readonly string[]
}

/** The public set, which `jwks_file` of an issuer may name. */
export const PUBLIC_FILE = 'jwks.json'
const NAME = /^key-(\d{6,12})\.json$/
const DRAFT = /^\.draft-[0-9a-f]{12}$/
/** What folders had before keys followed each other: one key, without times. */
const OLD_FILE = 'signing-key.json'
/** A draft lives for a moment; one that is older was left by a program that was killed. */
const STALE_DRAFT_MS: Ms = 3_600_000

/**
 * Makes a folder ready, for its owner alone. A key of before becomes the first one: it goes on signing.
 * @throws KeyRingError when others may write to it, or the key of before cannot be used @throws the file system's error
 */
export function prepareFolder(dir: string, keepMs: Ms): void {
  makeFolder(dir, 0o700)
  const fault = folderFault(dir, statSync(dir), {})
  if (fault !== null) throw new KeyRingError(fault)
  const files = readdirSync(dir)
  for (const file of files) if (DRAFT.test(file)) removeStale(join(dir, file))
  if (files.includes(OLD_FILE)) carryOver(dir, keepMs)
}

/** Who reads a folder of keys. */
export interface FolderReader {
  /** A command, not a gate: as root it may read what belongs to the gate's own user. */
  readonly isOperator?: boolean
}

/** Reads every key. @throws the file system's error when the folder cannot be read */
export function readFolder(dir: string, who: FolderReader = {}): FolderRead {
  return gather(
    dir,
    who,
    namesOf(readdirSync(dir)).map(([name, generation]) => {
      const file = join(dir, name)
      try {
        return judge({ name, file, generation, owner: statSync(file), text: readFileSync(file, 'utf8') }, who)
      } catch (err) {
        return unreadable(name, file, err)
      }
    }),
    statSync(dir)
  )
}

/** The same without holding anybody up: a folder of another machine may take its time. */
export async function readFolderLater(dir: string): Promise<FolderRead> {
  const names = namesOf(await readdir(dir))
  const all = names.map(async ([name, generation]) => {
    const file = join(dir, name)
    try {
      return judge({ name, file, generation, owner: await stat(file), text: await readFile(file, 'utf8') }, {})
    } catch (err) {
      return unreadable(name, file, err)
    }
  })
  return gather(dir, {}, await Promise.all(all), await stat(dir))
}

/**
 * Places a key of a new generation, whole or not at all.
 * @returns false when another program was first: then its key is the one @throws the file system's error
 */
export function placeKey(dir: string, key: RingKey): boolean {
  const draft = writeDraft(dir, keyText(key), 0o600)
  try {
    // A link, unlike a rename, fails when another program was first; on shared folders too.
    linkSync(draft, join(dir, fileOf(key.generation)))
    return true
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'EEXIST') return false
    throw err
  } finally {
    unlinkSync(draft)
  }
}

/** Puts a key in the place of itself, with other times. @throws the file system's error */
export function replaceKey(dir: string, key: RingKey): void {
  renameSync(writeDraft(dir, keyText(key), 0o600), join(dir, fileOf(key.generation)))
}

/** Takes a key away; may have been done before. @throws the file system's error */
export function removeKey(dir: string, { generation }: Pick<RingKey, 'generation'>): void {
  try {
    unlinkSync(join(dir, fileOf(generation)))
  } catch (err) {
    if (!isMissing(err)) throw err
  }
}

/** Writes the public set for whoever reads it from the file, when it is another one. @throws the file system's error */
export function writePublic(dir: string, keys: readonly RingKey[]): void {
  const file = join(dir, PUBLIC_FILE)
  const text = `${JSON.stringify({ keys: keys.map(publicPart) }, null, 2)}\n`
  try {
    if (readFileSync(file, 'utf8') === text) return
  } catch (err) {
    if (!isMissing(err)) throw err
  }
  renameSync(writeDraft(dir, text, 0o644), file)
}

/** The file of a generation. */
export function fileOf(generation: number): string {
  return `key-${String(generation).padStart(6, '0')}.json`
}

function namesOf(files: readonly string[]): (readonly [name: string, generation: number])[] {
  return files
    .flatMap(name => {
      const generation = Number(NAME.exec(name)?.[1] ?? 0)
      return generation > 0 ? [[name, generation] as const] : []
    })
    .sort(([, a], [, b]) => a - b)
}

interface Judged {
  readonly name: string
  readonly key: RingKey | null
  /** Null for a key that is fine, or that has just been taken away. */
  readonly fault: string | null
}

interface FoundFile {
  readonly name: string
  readonly file: string
  readonly generation: number
  readonly owner: Ownership
  readonly text: string
}

function judge({ name, file, generation, owner, text }: FoundFile, who: FolderReader): Judged {
  const privacy = fileFault(file, owner, who)
  if (privacy !== null) return { name, key: null, fault: privacy }
  const key = readKeyText(text, generation)
  const fault =
    key === null ? `${file} is not a key of ours, or only half of one. Remove it when no gate signs with it.` : null
  return { name, key, fault }
}

function unreadable(name: string, file: string, err: unknown): Judged | null {
  // Taken away between the list and the look.
  if (isMissing(err)) return null
  return { name, key: null, fault: `${file} cannot be read (${codeOf(err)})` }
}

function gather(dir: string, who: FolderReader, judged: readonly (Judged | null)[], owner: Ownership): FolderRead {
  const found = judged.filter(one => one !== null)
  const fault = folderFault(dir, owner, who)
  return {
    keys: new Map(found.map(({ name, key }) => [name, key])),
    faults: [...(fault === null ? [] : [fault]), ...found.flatMap(one => (one.fault === null ? [] : [one.fault]))]
  }
}

/** Whoever can write here can have keys of their own believed. */
function folderFault(dir: string, owner: Ownership, who: FolderReader): string | null {
  if (isForeign(owner, who)) return belongs(dir, owner)
  return isWritableByOthers(owner) ? `${dir} can be written to by others than its owner. Run: chmod 700 ${dir}` : null
}

/** Whoever can read a key signs with it, and whoever can write it has a key of their own believed. */
function fileFault(file: string, owner: Ownership, who: FolderReader): string | null {
  if (isForeign(owner, who)) return belongs(file, owner)
  return isExposed(owner) ? `${file} can be read by others than its owner. Run: chmod 600 ${file}` : null
}

function belongs(path: string, { uid }: Ownership): string {
  return `${path} belongs to another user (uid ${uid}). Run: chown ${process.getuid?.()} ${path}`
}

function carryOver(dir: string, keepMs: Ms): void {
  const file = join(dir, OLD_FILE)
  const { mtimeMs, ...owner } = statSync(file)
  const privacy = fileFault(file, owner, {})
  if (privacy !== null) throw new KeyRingError(privacy)
  const key = readSigningKey(readFileSync(file, 'utf8'))
  if (key === null) {
    throw new KeyRingError(`${file} is not a key of ours, or only half of one. Remove it to have a new one made.`)
  }
  const sinceMs = Math.floor(mtimeMs)
  if (namesOf(readdirSync(dir)).length === 0) {
    placeKey(dir, { ...key, generation: 1, createdAtMs: sinceMs, signsFromMs: sinceMs, keepMs })
  }
  try {
    unlinkSync(file)
  } catch (err) {
    if (!isMissing(err)) throw err
  }
}

function writeDraft(dir: string, text: string, mode: number): string {
  const draft = join(dir, `.draft-${randomBytes(6).toString('hex')}`)
  writeFileSync(draft, text, { mode, flag: 'wx', flush: true })
  // Whatever the umask of the process says.
  chmodSync(draft, mode)
  if (process.getuid?.() === 0) {
    // What root makes beside the gate's own files is the gate's own.
    const { uid, gid } = statSync(dir)
    chownSync(draft, uid, gid)
  }
  return draft
}

function removeStale(draft: string): void {
  try {
    if (Date.now() - statSync(draft).mtimeMs > STALE_DRAFT_MS) unlinkSync(draft)
  } catch (err) {
    if (!isMissing(err)) throw err
  }
}

function isMissing(err: unknown): boolean {
  return codeOf(err) === 'ENOENT'
}

function codeOf(err: unknown): unknown {
  return err instanceof Error && 'code' in err ? err.code : 'unknown'
}
