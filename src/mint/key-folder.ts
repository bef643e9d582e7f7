import { randomBytes } from 'node:crypto'
import {
  chmodSync,
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
  const fault = folderFault(dir, statSync(dir).mode)
  if (fault !== null) throw new KeyRingError(fault)
  const files = readdirSync(dir)
  for (const file of files) if (DRAFT.test(file)) removeStale(join(dir, file))
  if (files.includes(OLD_FILE)) carryOver(dir, keepMs)
}

/** Reads every key. @throws the file system's error when the folder cannot be read */
export function readFolder(dir: string): FolderRead {
  return gather(
    dir,
    namesOf(readdirSync(dir)).map(([name, generation]) => {
      const file = join(dir, name)
      try {
        return judge(name, file, generation, statSync(file).mode, readFileSync(file, 'utf8'))
      } catch (err) {
        return unreadable(name, file, err)
      }
    }),
    statSync(dir).mode
  )
}

/** The same without holding anybody up: a folder of another machine may take its time. */
export async function readFolderLater(dir: string): Promise<FolderRead> {
  const names = namesOf(await readdir(dir))
  const all = names.map(async ([name, generation]) => {
    const file = join(dir, name)
    try {
      return judge(name, file, generation, (await stat(file)).mode, await readFile(file, 'utf8'))
    } catch (err) {
      return unreadable(name, file, err)
    }
  })
  return gather(dir, await Promise.all(all), (await stat(dir)).mode)
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

function judge(name: string, file: string, generation: number, mode: number, text: string): Judged {
  if ((mode & 0o077) !== 0) {
    return { name, key: null, fault: `${file} can be read by others than its owner. Run: chmod 600 ${file}` }
  }
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

function gather(dir: string, judged: readonly (Judged | null)[], mode: number): FolderRead {
  const found = judged.filter(one => one !== null)
  const fault = folderFault(dir, mode)
  return {
    keys: new Map(found.map(({ name, key }) => [name, key])),
    faults: [...(fault === null ? [] : [fault]), ...found.flatMap(one => (one.fault === null ? [] : [one.fault]))]
  }
}

/** Whoever can write here can have keys of their own believed. */
function folderFault(dir: string, mode: number): string | null {
  return (mode & 0o022) === 0 ? null : `${dir} can be written to by others than its owner. Run: chmod 700 ${dir}`
}

function carryOver(dir: string, keepMs: Ms): void {
  const file = join(dir, OLD_FILE)
  const { mode, mtimeMs } = statSync(file)
  if ((mode & 0o077) !== 0) {
    throw new KeyRingError(`${file} can be read by others than its owner. Run: chmod 600 ${file}`)
  }
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
