import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import t from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import { listBoots } from '../../src/segments/folder.ts'
import { errorsIn, ledgerIn, linesIn, OPEN, textsOf, USAGE, until, usagesIn } from '../helpers/ledger-files.ts'

t.test('what is taken is on disk soon, in order, without anybody closing anything', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  const calls = Array.from({ length: 50 }, () => ledger.open(OPEN))
  for (const call of calls) ledger.charge(call, 'team-a', USAGE)
  await until(() => usagesIn(dir).length === 50)
  t.strictSame(
    usagesIn(dir).map(({ data, subject }) => [data.call, subject]),
    calls.map(call => [call, 'team-a'])
  )
  t.strictSame(errorsIn(dir), [])
  await ledger.close()
})

t.test('a ledger that was closed is sealed, whole, and has no lock any more', async t => {
  const dir = t.testdir()
  const { ledger, told } = ledgerIn(dir)
  ledger.charge(ledger.open(OPEN), null, USAGE)
  ledger.charge(null, 'team-a', { ...USAGE, outcome: 'rejected' })
  await ledger.close()
  t.strictSame(
    readdirSync(dir).map(file => file.replace(/-[0-9A-Z]{26}-/, '-BOOT-')),
    ['usage-gw-0-BOOT-000000.jsonl']
  )
  t.match(
    linesIn(dir).map(({ type }) => type.split('.')[1]),
    ['segment', 'open', 'usage', 'usage', 'seal']
  )
  t.match(usagesIn(dir)[0], {
    specversion: '1.0',
    source: `gw-0/${ledger.book.boot}`,
    subject: '',
    data: { call: 0, ...USAGE }
  })
  t.match(verifyLedger(dir), { boots: 1, segments: 1, lines: 5, usages: 2, findings: [] })
  t.strictSame(told, [])
})

t.test(
  'segments are sealed by size; calls that go on are named again in the next one, and the chain goes through all',
  async t => {
    const dir = t.testdir()
    const { ledger } = ledgerIn(dir, { segmentBytes: 4_000 })
    const long = ledger.open(OPEN)
    for (let n = 0; n < 40; n++) {
      ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
      await until(() => usagesIn(dir).length > n)
    }
    const opens = linesIn(dir).filter(line => line.type === 'tollgate.open.v1' && line.data.call === long)
    ledger.charge(long, 'team-a', USAGE)
    await ledger.close()
    const segments = listBoots(dir)[0]?.segments ?? []
    t.ok(segments.length > 3, String(segments.length))
    t.ok(opens.length >= segments.length - 1)
    t.match(verifyLedger(dir), { usages: 41, findings: [] })
  }
)

t.test('a segment is sealed when it is old, unless there is nothing in it', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir, { segmentMs: 30 })
  const names = () => listBoots(dir)[0]?.segments.map(({ isOpen }) => isOpen) ?? []
  await new Promise(resolve => setTimeout(resolve, 100))
  t.strictSame(names(), [true])
  ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
  await until(() => names().length === 2)
  await new Promise(resolve => setTimeout(resolve, 100))
  t.strictSame(names(), [false, true])
  await ledger.close()
  t.strictSame(verifyLedger(dir).findings, [])
})

t.test('a clock that is set back changes times and nothing else', async t => {
  const dir = t.testdir()
  let now = 1_800_000_000_000
  const { ledger } = ledgerIn(dir, { nowMs: () => now })
  const calls = Array.from({ length: 5 }, () => {
    now -= 3_600_000
    const call = ledger.open(OPEN)
    ledger.charge(call, 'team-a', USAGE)
    return call
  })
  await ledger.close()
  t.strictSame(
    usagesIn(dir).map(({ data }) => data.call),
    calls
  )
  const times = usagesIn(dir).map(({ time }) => time)
  t.strictSame(times, [...times].sort().reverse())
  t.strictSame(verifyLedger(dir).findings, [])
})

t.test('while nothing can be written all is held, in order, and is written when it can be again', async t => {
  const dir = `${t.testdir()}/ledger`
  const { ledger, told } = ledgerIn(dir, { segmentBytes: 1 })
  // Each piece wants another segment, and there is no folder that it could be in.
  renameSync(dir, `${dir}.away`)
  const calls = Array.from({ length: 300 }, () => ledger.open(OPEN))
  for (const call of calls) ledger.charge(call, 'team-a', USAGE)
  await until(() => told.length === 1)
  t.strictSame(told, ['failing ENOENT'])
  t.equal(ledger.isWell, false)
  const late = ledger.open(OPEN)
  ledger.charge(late, 'team-a', USAGE)
  renameSync(`${dir}.away`, dir)
  await until(() => told.length === 2)
  t.equal(ledger.isWell, true)
  await ledger.close()
  t.strictSame(told, ['failing ENOENT', 'recovered'])
  t.strictSame(
    usagesIn(dir).map(({ data }) => data.call),
    [...calls, late]
  )
  t.strictSame(verifyLedger(dir).findings, [])
})

t.test('a segment that cannot be brought to an end keeps no line from being written', async t => {
  const dir = t.testdir()
  const { ledger, told } = ledgerIn(dir, { segmentBytes: 3_000 })
  // No file can have the name that the first segment is to get.
  const taken = (listBoots(dir)[0]?.segments[0]?.path ?? '').replace('.open', '')
  mkdirSync(`${taken}/x`, { recursive: true })
  for (let n = 0; n < 20; n++) {
    ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
    await until(() => openUsagesIn(dir) > n)
  }
  await until(() => told.length > 0)
  t.strictSame(told, ['failing EISDIR'])
  rmSync(taken, { recursive: true })
  await ledger.close()
  t.strictSame(told, ['failing EISDIR', 'recovered'])
  t.match(verifyLedger(dir), { usages: 20, findings: [] })
})

t.test('too much is not held: the rest is lost, said, and its numbers are missing', async t => {
  const dir = `${t.testdir()}/ledger`
  const { ledger, told } = ledgerIn(dir, { segmentBytes: 1 })
  renameSync(dir, `${dir}.away`)
  ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
  await until(() => told.length === 1)
  const taken: (number | null)[] = []
  while (taken.at(-1) !== null) taken.push(ledger.open(OPEN))
  t.ok(taken.length > 30_000)
  for (let n = 0; n < 9; n++) ledger.charge(null, 'team-a', USAGE)
  // What was opened finds room.
  for (const call of taken.slice(0, -1)) ledger.charge(call, 'team-a', USAGE)
  renameSync(`${dir}.away`, dir)
  await ledger.close()
  t.strictSame(told, ['failing ENOENT', 'recovered', 'lost 10'])
  t.equal(usagesIn(dir).length, taken.length)
  t.match(errorsIn(dir), [/^gap: lines \d+ to \d+ are missing$/])
})

t.test(
  'a gate that ends before the disk takes anything again does not wait for ever; the next start ends its ledger',
  async t => {
    const dir = `${t.testdir()}/ledger`
    const { ledger, told } = ledgerIn(dir, { segmentBytes: 1 })
    renameSync(dir, `${dir}.away`)
    ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
    await until(() => told.length === 1)
    ledger.charge(null, 'team-a', USAGE)
    await ledger.close()
    t.strictSame(told, ['failing ENOENT', 'lost 1'])
    mkdirSync(dir)
    rmSync(dir, { recursive: true })
  }
)

t.test('calls that have not ended when the ledger is closed are a matter of the next start', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  ledger.open(OPEN)
  await ledger.close()
  t.match(textsOf(verifyLedger(dir), 'note'), [/its gate has died; 1 calls were open/])
})

/** Usages in the segments that have not got their names. */
function openUsagesIn(dir: string): number {
  const texts = readdirSync(dir)
    .filter(file => file.endsWith('.open'))
    .map(file => readFileSync(`${dir}/${file}`, 'utf8'))
  return texts.join('').split('"type":"tollgate.usage.v1"').length - 1
}
