import t from 'tap'
import {
  lineId,
  lockFile,
  readLine,
  readLockFile,
  readSegmentFile,
  segmentFile,
  seqOf,
  writeLine
} from '../../src/segments/format.ts'
import { BOOT, openLine, usageLine } from '../helpers/ledger-lines.ts'

t.test('the name of a segment says whose it is, which it is, and whether it is sealed', async t => {
  for (const instance of ['gw-0', 'a', 'node.example-7']) {
    for (const isOpen of [true, false]) {
      const name = { instance, boot: BOOT, number: 12, isOpen }
      t.strictSame(readSegmentFile(segmentFile(name)), name)
    }
    t.strictSame(readLockFile(lockFile({ instance, boot: BOOT })), { instance, boot: BOOT })
  }
  for (const other of ['usage.jsonl', `usage-a-${BOOT}-0.jsonl`, `usage-a-${BOOT}-000000.jsonl.torn-5`, 'x'])
    t.equal(readSegmentFile(other), null, other)
})

t.test('ids sort as their numbers do, and only those of a boot are read as its own', async t => {
  t.ok(lineId(BOOT, 9) < lineId(BOOT, 10))
  t.equal(seqOf(lineId(BOOT, 417), BOOT), 417)
  t.equal(seqOf(lineId(BOOT, 2_000_000_000), BOOT), 2_000_000_000)
  for (const other of [`${BOOT}-1`, `${BOOT}-00000000x`, lineId(BOOT.replace('J', 'K'), 1), null, `${BOOT}-000000001 `])
    t.equal(seqOf(other, BOOT), -1, String(other))
})

t.test('a line is one line of JSON that is read back as it was, and is checked by the lines before it', async t => {
  const line = usageLine(4, 2, { request_id: 'ümlaut\n\u2028 "quoted"' })
  const { text, crc } = writeLine(line, 77)
  t.equal(text.indexOf('\n'), text.length - 1)
  const { crc: stated, ...rest } = JSON.parse(text)
  t.strictSame(rest, line)
  t.equal(Number.parseInt(stated, 16), crc)
  t.match(readLine(Buffer.from(text.trimEnd()), [77]), { computed: [crc], stated: crc })
  t.not(readLine(Buffer.from(text.trimEnd()), [78]).computed[0], crc)
})

t.test('what is no line is none', async t => {
  for (const text of ['', '{}', 'x'.repeat(40), '{"type":"other","data":{},"crc":"00000000"}', '[1],"crc":"00000000"}'])
    t.equal(readLine(Buffer.from(text), [0]).line, null, text)
  const { text } = writeLine(openLine(1), 0)
  t.not(readLine(Buffer.from(text.trimEnd()), [0]).line, null)
})
