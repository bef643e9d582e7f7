import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/**
 * Makes a folder that goes with the test, after everything that was begun in it: tap removes its own before what a test closes,
 * and a ledger that finds its files gone tries for five seconds.
 */
export function makeFolder(t: Pick<Test, 'teardown'>): string {
  const dir = mkdtempSync(join(tmpdir(), 'tollgate-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
