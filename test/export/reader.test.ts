import { mkdirSync, rmSync } from 'node:fs'
import t from 'tap'
import type { Place } from '../../src/export/cursor.ts'
import { LedgerReader } from '../../src/export/reader.ts'
import { segmentFile } from '../../src/segments/format.ts'
import { ledgerIn, OPEN, recover, USAGE, until, usagesIn } from '../helpers/ledger-files.ts'

const ALL = { records: 10_000, bytes: 64 * 1024 * 1024 }

t.test('every usage is given once while a gate writes and its segments follow one another', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir, { segmentBytes: 20_000 })
  const reader = new LedgerReader(dir, new Map(), trouble => t.fail(trouble.message))
  const ids: string[] = []
  for (let n = 0; n < 40; n++) {
    for (let m = 0; m < 25; m++) ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
    await new Promise(resolve => setTimeout(resolve, 2))
    ids.push(...(await reader.next({ records: 100, bytes: 30_000 })).events.map(({ id }) => id))
  }
  await ledger.close()
  for (;;) {
    const { events } = await reader.next({ records: 100, bytes: 30_000 })
    if (events.length === 0) break
    t.ok(events.length <= 100 && JSON.stringify(events).length <= 30_000)
    ids.push(...events.map(({ id }) => id))
  }
  t.strictSame(
    ids,
    usagesIn(dir).map(({ id }) => id)
  )
  t.equal(ids.length, 1_000)
})

t.test('at whichever batch one stops, the next goes on behind it, through several boots and a crash', async t => {
  const dir = t.testdir()
  for (let n = 0; n < 2; n++) {
    const { ledger } = ledgerIn(dir, { segmentBytes: 8_000, instance: `gw-${n}` })
    for (let m = 0; m < 60; m++) ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
    if (n === 1) ledger.open(OPEN)
    await until(() => usagesIn(dir).length === 60 * (n + 1))
    await ledger.close()
  }
  await recover(dir)
  const ids: string[] = []
  const places = new Map<string, Place>()
  for (;;) {
    // Another process each time.
    const batch = await new LedgerReader(dir, places, trouble => t.fail(trouble.message)).next({ ...ALL, records: 7 })
    for (const [source, place] of batch.places) places.set(source, place)
    if (batch.events.length === 0) break
    ids.push(...batch.events.map(({ id }) => id))
  }
  t.strictSame(
    ids,
    usagesIn(dir).map(({ id }) => id)
  )
  t.equal(ids.length, 121)
  t.ok([...places.values()].every(({ isDone }) => isDone))
})

t.test('a record that is larger than a batch goes alone', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  for (let n = 0; n < 3; n++) ledger.charge(null, 'team-a', { ...USAGE, sub: 'x'.repeat(5_000) })
  await ledger.close()
  const reader = new LedgerReader(dir, new Map(), () => {})
  for (let n = 0; n < 3; n++) t.equal((await reader.next({ records: 10, bytes: 1_000 })).events.length, 1)
  t.equal((await reader.next({ records: 10, bytes: 1_000 })).events.length, 0)
})

t.test('a boot that cannot be read holds up no other one, is told of once, and is read when it can be', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  ledger.charge(null, 'team-a', USAGE)
  await ledger.close()
  const bad = `${dir}/${segmentFile({ instance: 'gw-0', boot: '00000000000000000000000000', number: 0, isOpen: false })}`
  mkdirSync(bad)
  const told: string[] = []
  const reader = new LedgerReader(dir, new Map(), ({ message }) => told.push(message))
  const first = await reader.next(ALL)
  t.equal(first.events.length, 1)
  t.equal(first.unread.size, 1)
  await reader.next(ALL)
  t.strictSame(told, ['it cannot be read now (EISDIR)'])
  rmSync(bad, { recursive: true })
  t.equal((await reader.next(ALL)).unread.size, 0)
})

t.test('a folder that is not there is an error', async t => {
  await t.rejects(new LedgerReader(`${t.testdir()}/none`, new Map(), () => {}).next(ALL), { code: 'ENOENT' })
})
