import { writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { LedgerLine } from '../../src/segments/format.ts'
import { linesOf, readLines, SegmentScan } from '../../src/segments/scan.ts'
import { cutAt, cuts } from '../helpers/cut.ts'
import { BOOT, openLine, segmentBytes, usageLine } from '../helpers/ledger-lines.ts'

/** Opens and usages, in any order that could be. */
const bodies = fc
  .array(fc.record({ isOpen: fc.boolean(), id: fc.string({ unit: 'binary', maxLength: 20 }) }), { maxLength: 8 })
  .map(all =>
    all.map(
      ({ isOpen, id }) =>
        (seq: number): LedgerLine =>
          isOpen ? openLine(seq) : usageLine(seq, null, { request_id: id })
    )
  )

function scanned(bytes: Buffer, places: readonly number[] = []): { scan: SegmentScan; lines: LedgerLine[] } {
  const scan = new SegmentScan(BOOT, -1)
  const lines = cutAt(bytes, places).flatMap(piece => scan.feed(piece))
  scan.end()
  return { scan, lines: lines.map(withoutCheck) }
}

function withoutCheck(line: LedgerLine): LedgerLine {
  const { crc: _, ...rest } = line as LedgerLine & { crc?: string }
  return rest as LedgerLine
}

const isWhole = ({ damages, gaps, seal, sealFault }: SegmentScan) =>
  damages.length === 0 && gaps.length === 0 && seal !== null && sealFault === null

t.test('a segment is read as it was written, in whatever pieces it comes', async t => {
  fc.assert(
    fc.property(bodies, cuts, (body, places) => {
      const { bytes, lines } = segmentBytes({ lines: body })
      const read = scanned(bytes, places)
      t.ok(isWhole(read.scan))
      t.strictSame(
        read.lines,
        lines.map(line => JSON.parse(JSON.stringify(line)))
      )
      t.equal(read.scan.goodBytes, bytes.length)
    }),
    { numRuns: 60 }
  )
})

t.test('however much is missing at the end, what is there is read, and that something is missing is told', async t => {
  fc.assert(
    fc.property(bodies, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), cuts, (body, share, places) => {
      const { bytes, lines } = segmentBytes({ lines: body })
      const length = Math.floor(share * bytes.length)
      const { scan, lines: read } = scanned(bytes.subarray(0, length), places)
      const ends = [...bytes.subarray(0, length)].filter(byte => byte === 0x0a).length
      t.strictSame(
        read,
        lines.slice(0, ends).map(line => JSON.parse(JSON.stringify(line)))
      )
      t.equal(scan.seal, null)
      const torn = length - scan.goodBytes
      t.strictSame(scan.damages, torn === 0 ? [] : [{ at: scan.goodBytes, bytes: torn, kind: 'torn' }])
      t.equal(scan.goodBytes, bytes.subarray(0, length).lastIndexOf('\n') + 1)
    }),
    { numRuns: 100 }
  )
})

t.test('whichever byte is changed, it is found, and the lines beside it are read all the same', async t => {
  fc.assert(
    fc.property(bodies, fc.nat(), fc.integer({ min: 1, max: 255 }), cuts, (body, place, mask, places) => {
      const { bytes, lines } = segmentBytes({ lines: body })
      const at = place % bytes.length
      bytes[at] = (bytes[at] ?? 0) ^ mask
      const { scan, lines: read } = scanned(bytes, places)
      t.notOk(isWhole(scan))
      // The line itself; and the next one, where it was the end of a line that was changed.
      t.ok(read.length >= lines.length - 2, `${read.length} of ${lines.length}`)
    }),
    { numRuns: 300 }
  )
})

t.test('lines that are left out, stand twice or change places are found', async t => {
  const { bytes } = segmentBytes({ lines: [openLine, seq => usageLine(seq, 1), openLine, seq => usageLine(seq, 3)] })
  const texts = bytes.toString().split('\n').slice(0, -1)
  const joined = (indexes: readonly number[]) => Buffer.from(`${indexes.map(index => texts[index]).join('\n')}\n`)
  t.ok(isWhole(scanned(joined([0, 1, 2, 3, 4, 5])).scan))
  for (const indexes of [
    [0, 1, 3, 4, 5],
    [0, 1, 2, 2, 3, 4, 5],
    [0, 2, 1, 3, 4, 5],
    [1, 2, 3, 4, 5]
  ])
    t.notOk(isWhole(scanned(joined(indexes)).scan), String(indexes))
})

t.test('numbers that are missing are gaps, between two segments too', async t => {
  const { bytes } = segmentBytes({ first: 10, lines: [seq => openLine(seq + 5), seq => openLine(seq + 5)] })
  const scan = new SegmentScan(BOOT, 7)
  scan.feed(bytes)
  t.strictSame(scan.gaps, [
    { from: 8, to: 9 },
    { from: 11, to: 15 }
  ])
  const fresh = new SegmentScan(BOOT)
  fresh.feed(bytes)
  t.strictSame(fresh.gaps, [{ from: 11, to: 15 }])
})

t.test('what stands behind a seal is told of and not read', async t => {
  const { bytes } = segmentBytes({ lines: [openLine] })
  for (const more of ['\n', 'x', bytes.toString()]) {
    const { scan, lines } = scanned(Buffer.concat([bytes, Buffer.from(more)]))
    t.equal(lines.length, 3)
    t.equal(scan.damages[0]?.kind, 'behind')
  }
})

t.test('a line without an end is not held for ever', async t => {
  const { bytes } = segmentBytes({ lines: [openLine], isSealed: false })
  const scan = new SegmentScan(BOOT, -1)
  let lines = scan.feed(bytes).length
  for (let n = 0; n < 40; n++) lines += scan.feed(Buffer.alloc(50_000, 'x')).length
  lines += scan.feed(Buffer.from('\n')).length
  scan.end()
  t.equal(lines, 2)
  t.strictSame(scan.damages, [{ at: bytes.length, bytes: 2_000_001, kind: 'changed' }])
})

t.test('a file is read piece by piece, each line once', async t => {
  const file = `${t.testdir()}/segment`
  const { bytes, lines } = segmentBytes({ lines: Array.from({ length: 2_000 }, () => openLine) })
  writeFileSync(file, bytes)
  const scan = new SegmentScan(BOOT, -1)
  t.equal([...linesOf(file, scan)].length, lines.length)
  t.ok(isWhole(scan))
})

t.test('a segment that was sealed since its folder was listed is found under its new name', async t => {
  const dir = t.testdir()
  const { bytes, lines } = segmentBytes({ lines: [openLine] })
  writeFileSync(`${dir}/x.jsonl`, bytes)
  t.equal([...linesOf(`${dir}/x.jsonl.open`, new SegmentScan(BOOT))].length, lines.length)
  let count = 0
  for await (const read of readLines(`${dir}/x.jsonl.open`, new SegmentScan(BOOT))) count += read.length
  t.equal(count, lines.length)
  t.throws(() => [...linesOf(`${dir}/y.jsonl.open`, new SegmentScan(BOOT))], { code: 'ENOENT' })
})
