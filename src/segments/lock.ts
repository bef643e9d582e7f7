import { closeSync, constants, existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isLink, LinkError, openOrMake } from '../private-files.ts'
import type { Ms } from '../time.ts'

/** A lock that is held. */
export interface Lock {
  release(): void
}

/** Somebody who only looks takes the lock for a moment. */
const PATIENCE_MS: Ms = 250
const SQLITE_BUSY = 5

/**
 * Takes the lock of a file, which is made when it is missing. The kernel gives it back when the process ends, however it
 * ends: it is the lock of an empty SQLite database, of whose kind Node itself has none.
 * @returns null when another process has it @throws LinkError for a link, wherever it leads
 * @throws the error of SQLite when the file cannot be opened
 */
export function takeLock(file: string): Lock | null {
  if (isLink(file)) throw new LinkError(file, ', and a lock is never taken through one')
  // Made here, because SQLite would make what a link leads to. One that is there is not opened: closing it would end the lock
  // that this very process may hold.
  if (!existsSync(file)) closeSync(openOrMake(file, constants.O_RDWR, 0o644))
  const database = new DatabaseSync(file, { timeout: PATIENCE_MS })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (err) {
    database.close()
    if (isBusy(err)) return null
    throw err
  }
  return { release: () => database.close() }
}

/** Whether a process holds the lock of a file; null when that cannot be found out. Changes nothing. */
export function isLocked(file: string): boolean | null {
  if (!existsSync(file)) return false
  try {
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      database.prepare('SELECT count(*) FROM sqlite_schema').get()
      return false
    } finally {
      database.close()
    }
  } catch (err) {
    return isBusy(err) ? true : null
  }
}

function isBusy(err: unknown): boolean {
  return err instanceof Error && 'errcode' in err && err.errcode === SQLITE_BUSY
}
