import { pino } from 'pino'
import t from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import { openBook } from '../../src/charge/book.ts'
import { ledgerIn, OPEN, until } from '../helpers/ledger-files.ts'

t.test('a gate that starts brings to its end what has died in its folder, and says so', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  ledger.open(OPEN)
  await ledger.close()
  const lines: string[] = []
  const book = openBook(
    {
      dir,
      instance: 'gw-1',
      onFailure: 'continue',
      segmentBytes: 1_000_000,
      segmentMs: 1_000_000,
      onAbort: 'estimate',
      onMissing: 'estimate'
    },
    { nowMs: Date.now, log: pino({}, { write: line => lines.push(line) }) }
  )
  book.start()
  await until(() => lines.length > 0)
  t.match(JSON.parse(lines[0] ?? ''), { instance: 'gw-0', boot: ledger.book.boot, crashed: 1, tornBytes: 0 })
  await book.close()
  t.match(verifyLedger(dir), { boots: 2, usages: 1, crashed: 1, findings: [] })
})
