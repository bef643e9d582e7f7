import { readdirSync } from 'node:fs'
import t from 'tap'
import { LedgerError, openLedger } from '../../src/charge/open.ts'
import { isLocked } from '../../src/segments/lock.ts'
import { errorsIn, ledgerIn, lockIn, OPEN, USAGE, usagesIn } from '../helpers/ledger-files.ts'

t.test('the folder is made when it is missing, and its lock is held until the end', async t => {
  const dir = `${t.testdir()}/deep/er`
  const { ledger } = ledgerIn(dir)
  const lock = lockIn(dir)
  t.equal(isLocked(lock), true)
  await ledger.close()
  t.equal(isLocked(lock), false)
  t.notOk(readdirSync(dir).some(file => file.endsWith('.lock')))
})

t.test('a ledger that cannot be opened is said at once, with its folder and what to do', async t => {
  const dir = `${t.testdir({ file: '' })}/file`
  const init = { dir, instance: 'a', segmentBytes: 1, segmentMs: 1, nowMs: Date.now }
  const quiet = { onFailing: () => {}, onRecovered: () => {}, onLost: () => {} }
  try {
    openLedger({ ...init, ...quiet })
    t.fail('it was opened')
  } catch (err) {
    t.ok(err instanceof LedgerError)
    t.match(err, { message: `the ledger in ${dir} cannot be opened (EEXIST). Mend it, or change 'metering.dir'.` })
  }
})

t.test('two gates in one folder write files of their own', async t => {
  const dir = t.testdir()
  const two = [ledgerIn(dir).ledger, ledgerIn(dir).ledger]
  for (let n = 0; n < 20; n++) for (const ledger of two) ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
  await Promise.all(two.map(ledger => ledger.close()))
  t.equal(usagesIn(dir).length, 40)
  t.equal(new Set(usagesIn(dir).map(({ id }) => id)).size, 40)
  t.strictSame(errorsIn(dir), [])
})
