import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import t from 'tap'
import { SegmentWriter } from '../../src/charge/segment-writer.ts'
import { linesOf, SegmentScan } from '../../src/segments/scan.ts'
import { BOOT } from '../helpers/ledger-lines.ts'

const bookIn = (dir: string) => ({ dir, instance: 'gw-0', boot: BOOT, nowMs: () => 1_800_000_000_000 })
const FIRST = { number: 0, seq: 0, prev: null, carried: 0 }

function scanned(path: string): SegmentScan {
  const scan = new SegmentScan(BOOT, -1)
  for (const _ of linesOf(path, scan));
  return scan
}

t.test('what was put is in the file after a commit, and is whole after the seal', async t => {
  const dir = t.testdir()
  const writer = SegmentWriter.create(bookIn(dir), FIRST)
  writer.put('tollgate.open.v1', '{"call":0}')
  t.equal(readFileSync(writer.path, 'utf8'), '')
  await writer.commit()
  t.equal(scanned(writer.path).lines, 2)
  const { seq, chain } = await writer.seal(true)
  t.equal(seq, 3)
  const scan = scanned(writer.path.replace('.open', ''))
  t.match(scan, {
    lines: 3,
    sealFault: null,
    damages: [],
    gaps: [],
    seal: { data: { chain, lines: 2, first: 0, last: 1, end: true } }
  })
})

t.test('a segment that is there already is not written over', async t => {
  const dir = t.testdir()
  SegmentWriter.create(bookIn(dir), FIRST).close()
  t.throws(() => SegmentWriter.create(bookIn(dir), FIRST), { code: 'EEXIST' })
})

t.test('more than is written at once arrives in order', async t => {
  const dir = t.testdir()
  const writer = SegmentWriter.create(bookIn(dir), FIRST)
  for (let n = 0; n < 3_000; n++) writer.put('tollgate.open.v1', `{"call":${n},"x":"${'ü'.repeat(500)}"}`)
  await writer.seal(false)
  const scan = new SegmentScan(BOOT, -1)
  const calls = [...linesOf(writer.path.replace('.open', ''), scan)].flatMap(line =>
    'call' in line.data ? [line.data.call] : []
  )
  t.strictSame(
    calls,
    Array.from({ length: 3_000 }, (_, n) => n)
  )
  t.equal(scan.sealFault, null)
})

t.test('numbers that are left out are left out', async t => {
  const dir = t.testdir()
  const writer = SegmentWriter.create(bookIn(dir), FIRST)
  writer.skip(4)
  writer.put('tollgate.open.v1', '{"call":0}')
  await writer.seal(true)
  const scan = scanned(writer.path.replace('.open', ''))
  t.strictSame(scan.gaps, [{ from: 1, to: 4 }])
  t.equal(scan.sealFault, null)
})

t.test('a seal that failed half way is brought to its end by another try, once', async t => {
  const dir = `${t.testdir()}/ledger`
  const { mkdirSync } = await import('node:fs')
  mkdirSync(dir)
  const writer = SegmentWriter.create(bookIn(dir), FIRST)
  await writer.commit()
  renameSync(dir, `${dir}.away`)
  await t.rejects(writer.seal(true), { code: 'ENOENT' })
  await t.rejects(writer.seal(true), { code: 'ENOENT' })
  renameSync(`${dir}.away`, dir)
  await writer.seal(true)
  const [file = ''] = readdirSync(dir)
  t.match(scanned(`${dir}/${file}`), { lines: 2, sealFault: null, damages: [] })
})

t.test('a segment whose file was deleted or renamed while it was written is whole all the same', async t => {
  for (const move of [rmSync, (path: string) => renameSync(path, `${path}.1`)]) {
    const writer = SegmentWriter.create(bookIn(t.testdir()), FIRST)
    writer.put('tollgate.open.v1', '{"call":0}')
    await writer.commit()
    move(writer.path)
    writer.put('tollgate.open.v1', '{"call":1}')
    await writer.seal(true)
    t.match(scanned(writer.path.replace('.open', '')), { lines: 4, sealFault: null, damages: [], gaps: [] })
  }
})

t.test('a segment that was left is gone on with where its good lines end', async t => {
  const dir = t.testdir()
  const left = SegmentWriter.create(bookIn(dir), FIRST)
  left.put('tollgate.open.v1', '{"call":0}')
  left.commitSync()
  left.close()
  const writer = SegmentWriter.resume(bookIn(dir), left, scanned(left.path))
  writer.put('tollgate.open.v1', '{"call":1}')
  await writer.seal(true)
  t.match(scanned(left.path.replace('.open', '')), { lines: 4, lastSeq: 3, sealFault: null, damages: [], gaps: [] })
})
