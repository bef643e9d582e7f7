import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { verifyLedger } from '../../src/bill/verify.ts'
import { lockFile, segmentFile } from '../../src/segments/format.ts'
import { errorsIn, ledgerIn, OPEN, textsOf, USAGE, until, usagesIn } from '../helpers/ledger-files.ts'
import { BOOT, openLine, segmentBytes, usageLine } from '../helpers/ledger-lines.ts'

const fileOf = (number: number, isOpen = false) => segmentFile({ instance: 'gw-0', boot: BOOT, number, isOpen })

/** Three segments, with a call that goes through two of them. */
function three(t: Test): { dir: string; paths: readonly string[] } {
  const dir = t.testdir()
  let [prev, first]: [string | null, number] = [null, 0]
  const paths = [0, 1, 2].map(number => {
    const lines = number === 1 ? [] : [openLine, (seq: number) => usageLine(seq, seq - 1)]
    const { bytes, chain, next } = segmentBytes({ lines, number, first, prev, isLast: number === 2 })
    prev = chain
    first = next
    writeFileSync(`${dir}/${fileOf(number)}`, bytes)
    return `${dir}/${fileOf(number)}`
  })
  return { dir, paths }
}

t.test('a ledger that is whole is found to be', async t => {
  const { dir } = three(t)
  t.strictSame(verifyLedger(dir), {
    boots: 1,
    segments: 3,
    lines: 10,
    usages: 2,
    crashed: 0,
    running: 0,
    findings: [],
    more: 0
  })
})

t.test('whichever byte of whichever segment is changed, it is found', async t => {
  const { dir, paths } = three(t)
  const all = paths.map(path => readFileSync(path))
  fc.assert(
    fc.property(fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, place, mask) => {
      const bytes = Buffer.from(all[which] ?? '')
      const at = place % bytes.length
      bytes[at] = (bytes[at] ?? 0) ^ mask
      writeFileSync(paths[which] ?? '', bytes)
      const errors = errorsIn(dir)
      writeFileSync(paths[which] ?? '', all[which] ?? '')
      t.ok(errors.length > 0)
    }),
    { numRuns: 200 }
  )
  t.strictSame(errorsIn(dir), [])
})

t.test('however a sealed segment is cut, it is found', async t => {
  const { dir, paths } = three(t)
  const bytes = readFileSync(paths[1] ?? '')
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), length => {
      writeFileSync(paths[1] ?? '', bytes.subarray(0, length))
      t.ok(errorsIn(dir).length > 0)
    }),
    { numRuns: 60 }
  )
})

t.test(
  'a segment that is missing in between is an error; those that were taken away at the beginning are none',
  async t => {
    const { dir, paths } = three(t)
    const middle = readFileSync(paths[1] ?? '')
    rmSync(paths[1] ?? '')
    t.match(errorsIn(dir), [/^missing: segment 1 is missing/, /^gap/])
    writeFileSync(paths[1] ?? '', middle)
    rmSync(paths[0] ?? '')
    t.strictSame(errorsIn(dir), [])
    t.match(textsOf(verifyLedger(dir), 'note'), [/^removed: segment 0 is not here/])
  }
)

t.test('a segment in the place of another one is found by its head and its chain', async t => {
  const { dir, paths } = three(t)
  writeFileSync(paths[1] ?? '', segmentBytes({ lines: [], number: 7, first: 4, prev: '00' }).bytes)
  const errors = errorsIn(dir)
  t.ok(errors.some(error => error.startsWith('head: by its head it is segment 7')))
  t.ok(errors.some(error => error.startsWith('chain:')))
})

t.test('a call without a usage in a boot that has ended is an error', async t => {
  const dir = t.testdir({ [fileOf(0)]: segmentBytes({ lines: [openLine], isLast: true }).bytes })
  t.match(errorsIn(dir), [/^open: 1 calls were opened and have no usage/])
})

t.test('what a gate has left that died is no error as long as it can be brought to its end', async t => {
  const { bytes } = segmentBytes({ lines: [openLine], isSealed: false })
  const dir = t.testdir({
    [fileOf(0, true)]: bytes.subarray(0, bytes.length - 5),
    [lockFile({ instance: 'gw-0', boot: BOOT })]: '',
    [`${fileOf(0)}.torn-99`]: 'x'
  })
  t.strictSame(errorsIn(dir), [])
  t.match(textsOf(verifyLedger(dir), 'note'), [
    /^cut_off/,
    /^torn: the last line has no end/,
    /^open: its gate has died; 0/
  ])
})

t.test('while a gate writes, nothing is wrong with what it has not finished', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir, { segmentBytes: 20_000 })
  const running = ledger.open(OPEN)
  for (let n = 0; n < 60; n++) {
    for (let m = 0; m < 20; m++) ledger.charge(ledger.open(OPEN), 'team-a', USAGE)
    await new Promise(resolve => setTimeout(resolve, 2))
    t.strictSame(verifyLedger(dir).findings, [])
  }
  await until(() => usagesIn(dir).length === 1_200)
  t.match(verifyLedger(dir), { running: 1, findings: [] })
  ledger.charge(running, 'team-a', USAGE)
  await ledger.close()
  t.match(verifyLedger(dir), { running: 0, usages: 1_201, findings: [] })
})
