import { join } from 'node:path'
import { makeFolder } from '../make-folder.ts'
import { openFault } from '../private-files.ts'
import { lockFile } from '../segments/format.ts'
import { type Lock, takeLock } from '../segments/lock.ts'
import { Ledger, type LedgerInit } from './ledger.ts'
import { SegmentWriter } from './segment-writer.ts'
import { ulid } from './ulid.ts'

/** The ledger cannot be opened: nothing may be served that is not written down. */
export class LedgerError extends Error {
  constructor(dir: string, cause: unknown) {
    super(`the ledger in ${dir} cannot be opened (${openFault(cause)}). Mend it, or change 'metering.dir'.`, { cause })
  }
}

/** Opens the ledger: a boot of its own, with its first segment. @throws LedgerError */
export function openLedger(init: LedgerInit): Ledger {
  const { dir, instance, nowMs } = init
  let lock: Lock | null = null
  try {
    makeFolder(dir, 0o750)
    for (;;) {
      const book = { dir, instance, boot: ulid(nowMs()), nowMs }
      lock = takeLock(join(dir, lockFile(book)))
      // Whoever looks for boots that have died may have seen the file before it was locked.
      if (lock === null) continue
      const first = SegmentWriter.create(book, { number: 0, seq: 0, prev: null, carried: 0 })
      first.commitSync()
      return new Ledger(init, book, lock, first)
    }
  } catch (err) {
    lock?.release()
    throw new LedgerError(dir, err)
  }
}
