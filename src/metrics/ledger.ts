import type { Ms } from '../time.ts'
import type { Families } from './families.ts'
import type { Names } from './names.ts'
import type { LedgerSeen } from './surroundings.ts'

/** What is counted of the ledger when it happens. */
export interface LedgerCounter {
  /** The kernel has a group of lines. @param ms since the first of them was taken */
  onWritten(ms: Ms): void
  onGuessed(kind: 'input' | 'output', tokens: number): void
  /** @param ratio what the engine has told ÷ what would have been guessed */
  onTold(model: string, kind: 'input' | 'output', ratio: number): void
}

export function createLedgerCounter(families: Families, models: Names): LedgerCounter {
  const commit = families.of('tollgate_ledger_commit_seconds')
  const guessed = families.of('tollgate_estimated_tokens_total')
  const ratios = families.of('tollgate_estimate_ratio')
  return {
    onWritten: ms => commit.at().observe(ms / 1000),
    onGuessed(kind, tokens) {
      guessed.at(kind).value += tokens
    },
    onTold: (model, kind, ratio) => ratios.at(models.label(model), kind).observe(ratio)
  }
}

/** Reads what the ledger counts itself. */
export function readLedger(families: Families, ledger: LedgerSeen): void {
  families.of('tollgate_ledger_records_total').at('open').value = ledger.opens
  families.of('tollgate_ledger_records_total').at('usage').value = ledger.usages
  families.of('tollgate_ledger_bytes_total').at().value = ledger.bytes
  families.of('tollgate_ledger_write_errors_total').at().value = ledger.errors
  families.of('tollgate_ledger_dropped_total').at().value = ledger.lost
  families.of('tollgate_ledger_queue_events').at().value = ledger.waiting
  families.of('tollgate_ledger_oldest_unflushed_seconds').at().value = ledger.oldestUnwrittenMs / 1000
  families.of('tollgate_ledger_oldest_unsynced_seconds').at().value = ledger.oldestUnsyncedMs / 1000
  families.of('tollgate_estimated_tokens_total').expect('input')
  families.of('tollgate_estimated_tokens_total').expect('output')
  families.of('tollgate_ledger_disk_free_bytes').at().value = ledger.diskFreeBytes ?? 0
}
