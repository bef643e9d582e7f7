import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import { listBoots, type SegmentFile } from '../../src/segments/folder.ts'
import {
  errorsIn,
  ledgerIn,
  linesIn,
  lockIn,
  OPEN,
  recover,
  textsOf,
  USAGE,
  until,
  usagesIn
} from '../helpers/ledger-files.ts'

/** A folder as a gate leaves it that was killed: so many calls, every second of which has ended. */
async function deadLedger(t: Test, calls: number, segmentBytes = 64 * 1024 * 1024): Promise<string> {
  const [dir, dead] = [`${t.testdir()}/alive`, `${t.testdirName}/dead`]
  const { ledger } = ledgerIn(dir, { segmentBytes })
  for (let n = 0; n < calls; n++) {
    const call = ledger.open({ ...OPEN, request_id: `r-${n}` })
    if (n % 2 === 0) ledger.charge(call, 'team-a', { ...USAGE, request_id: `r-${n}` })
    if (segmentBytes < 10_000) await until(() => linesIn(dir).length > n)
  }
  await until(
    () => new Set(idsIn(dir, 'tollgate.open.v1')).size === calls && usagesIn(dir).length === Math.ceil(calls / 2)
  )
  await until(() => listBoots(dir)[0]?.segments.filter(({ isOpen }) => isOpen).length === 1)
  copyFolder(dir, dead)
  await ledger.close()
  return dead
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to)
  for (const file of readdirSync(from)) copyFileSync(`${from}/${file}`, `${to}/${file}`)
}

function idsIn(dir: string, type: string): string[] {
  return linesIn(dir).flatMap(line => (line.type === type && 'request_id' in line.data ? [line.data.request_id] : []))
}

function lastOf(dir: string): SegmentFile {
  const last = listBoots(dir)[0]?.segments.at(-1)
  if (last === undefined) throw new Error('there is no segment')
  return last
}

t.test('calls that were open when their gate was killed are written down once, and the ledger is whole', async t => {
  const dir = await deadLedger(t, 11)
  t.match(textsOf(verifyLedger(dir), 'note'), [/its gate has died; 5 calls were open/])
  t.match(await recover(dir), [{ instance: 'gw-0', crashed: 5, tornBytes: 0 }])
  t.match(verifyLedger(dir), { usages: 11, crashed: 5, running: 0, findings: [] })
  const crashed = usagesIn(dir).filter(({ data }) => data.outcome === 'gateway_crash')
  t.strictSame(
    crashed.map(({ data }) => data.request_id),
    ['r-1', 'r-3', 'r-5', 'r-7', 'r-9']
  )
  t.match(crashed[0], {
    subject: 'team-a',
    data: { ...OPEN, request_id: 'r-1', status: null, usage: { source: 'none', output: null } }
  })
  t.strictSame(
    readdirSync(dir).filter(file => file.endsWith('.lock')),
    []
  )
  t.strictSame(await recover(dir), [], 'there is nothing left to do')
})

t.test('wherever the bytes of a killed gate end, what was whole is kept, and the rest stands beside it', async t => {
  const source = await deadLedger(t, 6)
  const bytes = readFileSync(lastOf(source).path)
  let number = 0
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async share => {
      const dir = `${source}-${number++}`
      copyFolder(source, dir)
      const length = Math.floor(share * bytes.length)
      const { path } = lastOf(dir)
      writeFileSync(path, bytes.subarray(0, length))
      const good = bytes.subarray(0, length).lastIndexOf('\n') + 1
      const [opens, usages] = [idsIn(dir, 'tollgate.open.v1'), idsIn(dir, 'tollgate.usage.v1')]
      const what = await recover(dir)
      t.strictSame(errorsIn(dir), [])
      t.strictSame(idsIn(dir, 'tollgate.usage.v1').sort(), opens.sort())
      t.ok(usages.every(id => opens.includes(id)))
      const torn = readdirSync(dir).filter(file => file.includes('.torn-'))
      t.equal(torn.length, length > good ? 1 : 0)
      if (length > good) {
        t.strictSame(readFileSync(`${dir}/${torn[0]}`), bytes.subarray(good, length))
        t.equal(what[0]?.tornBytes, length - good)
      }
      rmSync(dir, { recursive: true })
    }),
    { numRuns: 40 }
  )
})

t.test('a recovery that is itself killed, anywhere, is done by the next one, and nothing is written twice', async t => {
  const source = await deadLedger(t, 6)
  const begun = readFileSync(lastOf(source).path).length
  const done = `${source}-done`
  copyFolder(source, done)
  const lock = lockIn(source)
  await recover(done)
  const bytes = readFileSync(lastOf(done).path)
  let number = 0
  const check = async (dir: string) => {
    await recover(dir)
    t.match(verifyLedger(dir), { usages: 6, crashed: 3 })
    t.strictSame(errorsIn(dir), [])
    t.strictSame(idsIn(dir, 'tollgate.usage.v1').sort(), ['r-0', 'r-1', 'r-2', 'r-3', 'r-4', 'r-5'])
    t.equal(listBoots(dir)[0]?.hasLock, false)
    rmSync(dir, { recursive: true })
  }
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: begun, max: bytes.length }), async length => {
      const dir = `${source}-${number++}`
      copyFolder(source, dir)
      writeFileSync(lastOf(dir).path, bytes.subarray(0, length))
      await check(dir)
    }),
    { numRuns: 40 }
  )
  // Sealed and named so, and the lock is still there.
  const dir = `${source}-named`
  copyFolder(done, dir)
  copyFileSync(lock, lockIn(source).replace(source, dir))
  await check(dir)
})

t.test('a gate that is killed between two segments loses nothing', async t => {
  const source = await deadLedger(t, 12, 3_000)
  const last = lastOf(source)
  t.ok(last.number > 0)
  const check = async (name: string, change: (dir: string) => void) => {
    const dir = `${source}-${name}`
    copyFolder(source, dir)
    change(dir)
    const opens = new Set(idsIn(dir, 'tollgate.open.v1'))
    await recover(dir)
    t.strictSame(errorsIn(dir), [], name)
    t.strictSame(idsIn(dir, 'tollgate.usage.v1').sort(), [...opens].sort(), name)
  }
  const bytes = readFileSync(last.path)
  const pathIn = (dir: string) => lastOf(dir).path
  await check('no next one', dir => rmSync(pathIn(dir)))
  await check('the next one is empty', dir => writeFileSync(pathIn(dir), ''))
  await check('half of a head', dir => writeFileSync(pathIn(dir), bytes.subarray(0, 100)))
  await check('a head alone', dir => writeFileSync(pathIn(dir), bytes.subarray(0, bytes.indexOf('\n') + 1)))
  await check('half of what goes on', dir => {
    const second = bytes.indexOf('\n', bytes.indexOf('\n') + 1) + 1
    writeFileSync(pathIn(dir), bytes.subarray(0, second + 10))
  })
  await check('a seal, and not yet its name', dir => {
    rmSync(pathIn(dir))
    renameSync(pathIn(dir), `${pathIn(dir)}.open`)
  })
})

t.test('a gate that is killed before its segments have their names loses nothing, and they get them', async t => {
  const dir = await deadLedger(t, 12, 3_000)
  for (const { path } of listBoots(dir)[0]?.segments.slice(1, -1) ?? []) renameSync(path, `${path}.open`)
  const opens = new Set(idsIn(dir, 'tollgate.open.v1'))
  await recover(dir)
  t.strictSame(verifyLedger(dir).findings, [])
  t.notOk(readdirSync(dir).some(file => file.endsWith('.open')))
  t.strictSame(idsIn(dir, 'tollgate.usage.v1').sort(), [...opens].sort())
})

t.test(
  'where the power was cut before a segment was on the disk, what it lacks is told, once it is sealed',
  async t => {
    const source = await deadLedger(t, 24, 3_000)
    t.ok(lastOf(source).number > 1)
    const check = async (name: string, cut: (text: string) => string, codes: readonly string[]) => {
      const dir = `${source}-${name}`
      copyFolder(source, dir)
      const { path } = listBoots(dir)[0]?.segments.at(-2) ?? lastOf(dir)
      const text = readFileSync(path, 'utf8')
      rmSync(path)
      writeFileSync(`${path}.open`, cut(text))
      await recover(dir)
      const found = new Set(errorsIn(dir).map(error => error.replace(/:.*/, '')))
      // Nobody knows any more whether a call has ended whose usage is lost.
      found.delete('open')
      t.strictSame([...found], codes, name)
      t.notOk(readdirSync(dir).some(file => file.endsWith('.open')))
      t.strictSame(await recover(dir), [], 'there is nothing more to do')
    }
    await check('half of a seal', text => text.slice(0, -100), [])
    await check('a line', text => text.replace(/[^\n]*\n[^\n]*\n$/, ''), ['gap', 'chain'])
    await check('everything', () => '', ['missing', 'gap'])
  }
)

t.test('a line that was damaged in the middle costs no other line', async t => {
  const dir = await deadLedger(t, 8)
  const { path } = lastOf(dir)
  const bytes = readFileSync(path)
  const at = bytes.indexOf('"r-4"') + 1
  bytes[at] = 0x51
  writeFileSync(path, bytes)
  t.match(await recover(dir), [{ tornBytes: 0 }])
  t.match(errorsIn(dir), [/changed/, /gap/])
  t.equal(usagesIn(dir).length, 8, 'its open is lost, and its usage is not')
})

t.test('a gate that lives is left alone, and one of two who would recover does', async t => {
  const dir = await deadLedger(t, 4)
  const { ledger } = ledgerIn(dir)
  const call = ledger.open(OPEN)
  const all = await Promise.all([recover(dir), recover(dir), recover(dir, ledger.book.boot)])
  t.equal(all.flat().length, 1)
  ledger.charge(call, 'team-a', USAGE)
  await ledger.close()
  t.match(verifyLedger(dir), { boots: 2, usages: 5, crashed: 2, findings: [] })
})

t.test('what cannot be recovered is told, and does not keep the others', async t => {
  const dir = await deadLedger(t, 2)
  const name = (listBoots(dir)[0]?.boot ?? '').replace(/^../, '00')
  writeFileSync(`${dir}/usage-gw-0-${name}.lock`, 'x'.repeat(5_000))
  const told: string[] = []
  const { recoverBoots } = await import('../../src/charge/recover.ts')
  await recoverBoots(dir, '', Date.now, {
    recovered: ({ crashed }) => told.push(`recovered ${crashed}`),
    failed: boot => told.push(`failed ${boot}`)
  })
  t.strictSame(told, [`failed ${name}`, 'recovered 1'])
})
