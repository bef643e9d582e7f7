import { appendFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Place } from '../../src/export/cursor.ts'
import { BootTail, type Trouble } from '../../src/export/tail.ts'
import { listBoots } from '../../src/segments/folder.ts'
import { segmentFile } from '../../src/segments/format.ts'
import { BOOT, openLine, segmentBytes, usageLine } from '../helpers/ledger-lines.ts'

const fileOf = (number: number, isOpen = false) => segmentFile({ instance: 'gw-0', boot: BOOT, number, isOpen })
const usage = (seq: number) => usageLine(seq, null)

/** Reads everything that there is; numbers of usages. */
async function readAll(tail: BootTail, dir: string): Promise<number[]> {
  const all: number[] = []
  for (;;) {
    const [boot] = listBoots(dir)
    const events = boot === undefined ? [] : await tail.read(boot)
    if (events.length === 0) return all
    all.push(...events.map(({ id }) => Number(id.slice(27))))
  }
}

function follow(t: Test, from: Place | null = null) {
  const troubles: Trouble[] = []
  const dir = t.testdir()
  const tail = (place = from) => new BootTail(BOOT, place, trouble => troubles.push(trouble))
  return { dir, troubles, tail }
}

t.test('a line is given when it has its end, and once; opens and seals are none', async t => {
  const { dir, tail, troubles } = follow(t)
  const one = tail()
  const { bytes } = segmentBytes({ lines: [openLine, usage, usage], isSealed: false })
  const path = `${dir}/${fileOf(0, true)}`
  const given: number[] = []
  for (const [index, byte] of bytes.entries()) {
    appendFileSync(path, Buffer.from([byte]))
    if (index % 37 === 0 || index === bytes.length - 1) given.push(...(await readAll(one, dir)))
  }
  t.strictSame(given, [2, 3])
  t.strictSame(troubles, [])
})

t.test('segment follows segment, renamed or not, up to the end of the boot', async t => {
  const { dir, tail, troubles } = follow(t)
  const one = tail()
  const first = segmentBytes({ lines: [usage], number: 0 })
  writeFileSync(`${dir}/${fileOf(0, true)}`, first.bytes)
  t.strictSame(await readAll(one, dir), [1])
  t.strictSame(one.place, { segment: 0, seq: 1, isDone: false })
  renameSync(`${dir}/${fileOf(0, true)}`, `${dir}/${fileOf(0)}`)
  const second = segmentBytes({ lines: [usage, usage], number: 1, first: first.next, prev: first.chain, isLast: true })
  writeFileSync(`${dir}/${fileOf(1)}`, second.bytes)
  t.strictSame(await readAll(one, dir), [4, 5])
  t.strictSame(one.place, { segment: 1, seq: 5, isDone: true })
  t.strictSame(troubles, [])
})

t.test('a segment that has its seal and not yet its name is read before the one that was begun behind it', async t => {
  const { dir, tail, troubles } = follow(t)
  const one = tail()
  const first = segmentBytes({ lines: [usage, usage] })
  const second = segmentBytes({ lines: [usage], number: 1, first: first.next, prev: first.chain, isSealed: false })
  writeFileSync(`${dir}/${fileOf(1, true)}`, second.bytes)
  writeFileSync(`${dir}/${fileOf(0, true)}`, first.bytes.subarray(0, -300))
  t.strictSame(await readAll(one, dir), [1, 2], 'the seal has not come')
  writeFileSync(`${dir}/${fileOf(0, true)}`, first.bytes)
  t.strictSame(await readAll(one, dir), [5])
  t.strictSame(troubles, [])
})

t.test('whoever comes back goes on behind what was given', async t => {
  const { dir, tail } = follow(t)
  const { bytes } = segmentBytes({ lines: [usage, openLine, usage, usage], isLast: true })
  writeFileSync(`${dir}/${fileOf(0)}`, bytes)
  t.strictSame(await readAll(tail({ segment: 0, seq: 1, isDone: false }), dir), [3, 4])
  t.strictSame(await readAll(tail({ segment: 0, seq: 4, isDone: false }), dir), [])
  t.strictSame(await readAll(tail({ segment: 0, seq: 4, isDone: true }), dir), [])
})

t.test('what a dead gate has left torn is not given, and what its next start writes in that place is', async t => {
  const { dir, tail, troubles } = follow(t)
  const one = tail()
  const path = `${dir}/${fileOf(0, true)}`
  const left = segmentBytes({ lines: [openLine, usage], isSealed: false }).bytes
  writeFileSync(path, Buffer.concat([left, Buffer.from('{"type":"tollgate.usage.v1","crc":"00000000"}\n{"ty')]))
  t.strictSame(await readAll(one, dir), [2])
  t.strictSame(await readAll(one, dir), [])
  // As `recover` does it.
  truncateSync(path, left.length)
  t.strictSame(await readAll(one, dir), [])
  const whole = segmentBytes({ lines: [openLine, usage, usage], isLast: true }).bytes
  writeFileSync(path, whole.subarray(left.length), { flag: 'a' })
  t.strictSame(await readAll(one, dir), [3])
  t.equal(one.place.isDone, true)
  t.strictSame(troubles, [], 'nothing is lost')
})

t.test('a line that was changed is told of, once, and those behind it are given', async t => {
  const { dir, tail, troubles } = follow(t)
  const one = tail()
  const { bytes } = segmentBytes({ lines: [usage, usage, usage], isSealed: false })
  bytes[bytes.indexOf('"u-1"') + 1] = 0x58
  writeFileSync(`${dir}/${fileOf(0, true)}`, bytes)
  t.strictSame(await readAll(one, dir), [2, 3])
  t.strictSame(await readAll(one, dir), [])
  t.equal(troubles.length, 1)
  t.match(troubles[0], {
    file: fileOf(0),
    message: /bytes from byte \d+ are not what was written, and are not shipped/
  })
})

t.test('segments that were taken away before they were shipped are told of', async t => {
  const { dir, tail, troubles } = follow(t)
  const first = segmentBytes({ lines: [usage] })
  const third = segmentBytes({ lines: [usage], number: 2, first: 90, prev: 'x', isLast: true })
  writeFileSync(`${dir}/${fileOf(0)}`, first.bytes)
  writeFileSync(`${dir}/${fileOf(2)}`, third.bytes)
  t.strictSame(await readAll(tail(), dir), [1, 91])
  t.match(troubles, [{ message: /^segment 1 is gone/ }])
  rmSync(`${dir}/${fileOf(0)}`)
  t.strictSame(await readAll(tail({ segment: 0, seq: 0, isDone: false }), dir), [91])
  t.match(troubles[1], { message: /^segments 0 to 1 are gone/ })
  t.strictSame(await readAll(tail(null), dir), [91], 'who begins here misses nothing')
  t.equal(troubles.length, 2)
})

t.test('a sealed segment that was cut is told of', async t => {
  const { dir, tail, troubles } = follow(t)
  const { bytes } = segmentBytes({ lines: [usage, usage] })
  writeFileSync(`${dir}/${fileOf(0)}`, bytes.subarray(0, bytes.length - 40))
  t.strictSame(await readAll(tail(), dir), [1, 2])
  t.match(troubles, [{ message: /bytes from byte/ }])
})

t.test('more than a piece is read piece by piece', async t => {
  const { dir, tail } = follow(t)
  const { bytes } = segmentBytes({ lines: Array.from({ length: 3_000 }, () => usage), isLast: true })
  t.ok(bytes.length > 1_000_000)
  writeFileSync(`${dir}/${fileOf(0)}`, bytes)
  const one = tail()
  const [boot] = listBoots(dir)
  t.ok(boot !== undefined && (await one.read(boot)).length < 1_000)
  t.equal((await readAll(tail(), dir)).length, 3_000)
})
