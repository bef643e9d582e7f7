import t from 'tap'
import { Families } from '../../src/metrics/families.ts'
import { createLedgerCounter, readLedger } from '../../src/metrics/ledger.ts'
import { Names } from '../../src/metrics/names.ts'
import { readScrape } from '../helpers/scrape.ts'

const SEEN = {
  opens: 5,
  usages: 4,
  bytes: 3_000,
  errors: 2,
  lost: 1,
  waiting: 6,
  oldestUnwrittenMs: 30,
  oldestUnsyncedMs: 70,
  diskFreeBytes: 1_000_000
}

t.test('what the ledger counts is told as it stands, and the guesses from the beginning on', async t => {
  const families = new Families()
  readLedger(families, SEEN)
  const now = readScrape(await families.text())
  t.equal(now.value('tollgate_ledger_records_total', { type: 'open' }), 5)
  t.equal(now.value('tollgate_ledger_records_total', { type: 'usage' }), 4)
  t.equal(now.value('tollgate_ledger_bytes_total'), 3_000)
  t.equal(now.value('tollgate_ledger_write_errors_total'), 2)
  t.equal(now.value('tollgate_ledger_dropped_total'), 1)
  t.equal(now.value('tollgate_ledger_queue_events'), 6)
  t.equal(now.value('tollgate_ledger_oldest_unflushed_seconds'), 0.03)
  t.equal(now.value('tollgate_ledger_oldest_unsynced_seconds'), 0.07)
  t.equal(now.value('tollgate_ledger_disk_free_bytes'), 1_000_000)
  t.equal(now.value('tollgate_estimated_tokens_total', { kind: 'output' }), 0)
})

t.test(
  'groups, guesses and how good they are, are counted when they happen; a model that nobody knows is other',
  async t => {
    const families = new Families()
    const counter = createLedgerCounter(families, new Names({ isKnown: name => name === 'm', max: 10 }))
    counter.onWritten(20)
    counter.onWritten(200)
    counter.onGuessed('input', 40)
    counter.onGuessed('input', 2)
    counter.onTold('m', 'output', 1.2)
    counter.onTold('x', 'output', 0.3)
    const now = readScrape(await families.text())
    t.equal(now.value('tollgate_ledger_commit_seconds_count'), 2)
    t.equal(now.value('tollgate_ledger_commit_seconds_bucket', { le: '0.1' }), 1)
    t.equal(now.value('tollgate_estimated_tokens_total', { kind: 'input' }), 42)
    t.equal(now.value('tollgate_estimate_ratio_bucket', { model: 'm', kind: 'output', le: '1.25' }), 1)
    t.equal(now.value('tollgate_estimate_ratio_bucket', { model: 'other', kind: 'output', le: '0.5' }), 1)
  }
)
