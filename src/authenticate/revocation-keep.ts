import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolder } from '../make-folder.ts'
import { type Revocation, readRevocation } from './revocation.ts'

/** A file of revocations cannot be used; the message is for the person at the terminal. */
export class RevocationFileError extends Error {
  override readonly name = 'RevocationFileError'
}

/**
 * Reads what this gate has kept. A file that is not there holds nothing.
 * @throws RevocationFileError for one that cannot be read as a whole: what was taken back must not come back by itself
 */
export function readKept(file: string): readonly Revocation[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (err) {
    if (codeOf(err) === 'ENOENT') return []
    throw new RevocationFileError(
      `revocation.keep: ${file} cannot be read (${codeOf(err)}); it has to be readable for whoever runs this`
    )
  }
  try {
    const { revocations } = JSON.parse(text) as { revocations: unknown[] }
    const read = revocations.map(readRevocation)
    if (read.every(one => one !== null)) return read
  } catch {
    // Said below.
  }
  throw new RevocationFileError(
    `the kept revocations ${file} are damaged. Put back a copy, or move the file away and revoke anew what it held.`
  )
}

/** Writes what is to be kept, whole or not at all, for its owner alone. @throws the file system's error */
export function writeKept(file: string, revocations: readonly Revocation[]): void {
  makeFolder(dirname(file), 0o700)
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    const at = openSync(draft, 'wx', 0o600)
    try {
      writeSync(at, `${JSON.stringify({ version: 1, revocations })}\n`)
      fsyncSync(at)
    } finally {
      closeSync(at)
    }
    renameSync(draft, file)
  } catch (err) {
    rmSync(draft, { force: true })
    throw err
  }
}

/** `EACCES`, or what there is instead. */
export function codeOf(err: unknown): string {
  return err instanceof Error && 'code' in err ? String(err.code) : String(err)
}
