import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { roll, rollAll } from '../../src/bill/roll.ts'
import { Rollup } from '../../src/bill/rollup.ts'
import { segmentFile } from '../../src/segments/format.ts'
import { ALWAYS, rolled, type Use, used, writeSegment } from '../helpers/bills.ts'
import { ledgerIn, USAGE, until, usagesIn } from '../helpers/ledger-files.ts'
import { BOOT, segmentBytes } from '../helpers/ledger-lines.ts'

const MAIN = fileURLToPath(new URL('../helpers/roller-main.ts', import.meta.url))

/** What a rollup has in sum, and what the records have. */
function totals(rollup: Rollup): Record<string, number> {
  const all = { requests: 0, input: 0, output: 0, cached: 0 }
  for (const { sums } of rollup.between(...ALWAYS))
    for (const name of Object.keys(all) as (keyof typeof all)[]) all[name] += Number(sums[name])
  return all
}

function plainTotals(dir: string): Record<string, number> {
  const all = { requests: 0, input: 0, output: 0, cached: 0 }
  for (const { data } of usagesIn(dir)) {
    all.requests++
    all.input += data.usage.input ?? 0
    all.output += data.usage.output ?? 0
    all.cached += data.usage.cached_input ?? 0
  }
  return all
}

const uses = (count: number): Use[] =>
  Array.from({ length: count }, (_, n) => ({
    sub: `u-${n % 7}`,
    time: new Date(Date.parse('2026-11-23T00:00:00Z') + n * 60_000).toISOString(),
    usage: { input: n, cached_input: n % 3, output: n % 5 === 0 ? null : n * 2 }
  }))

t.test('each record counts once, wherever and however often the process that rolls up is killed', async t => {
  const dir = t.testdir()
  for (let number = 0; number < 4; number++) writeSegment(dir, uses(400), { number, isSealed: number < 3 })
  const file = `${dir}/rollup.sqlite`
  let kills = 0
  for (let isDone = false; !isDone; ) {
    const child = spawn(process.execPath, [MAIN, dir, file], { stdio: ['pipe', 'pipe', 'inherit'] })
    // It may have died before it has read them.
    child.stdin.on('error', () => {})
    child.stdin.write('12345')
    let text = ''
    child.stdout.on('data', piece => {
      text += piece
      // In the middle of the next step, between two, or when it waits for a sixth.
      if (text.split('\n').length > 2 + (kills % 3)) setTimeout(() => child.kill('SIGKILL'), kills % 4)
    })
    await once(child, 'close')
    isDone = text.includes('done\n')
    if (child.signalCode === 'SIGKILL') kills++
  }
  t.ok(kills > 5, `${kills} kills`)
  const rollup = new Rollup(file)
  t.strictSame(totals(rollup), plainTotals(dir))
  rollup.close()
})

t.test('a ledger that a gate is writing is followed: line by line, through sealing and the next segment', async t => {
  const dir = t.testdir()
  const rollup = new Rollup(':memory:')
  const { ledger } = ledgerIn(dir, { segmentBytes: 20_000 })
  for (let n = 1; n <= 90; n++) {
    ledger.charge(null, 'team-a', { ...USAGE, usage: { ...USAGE.usage, input: n } })
    if (n % 9 !== 0) continue
    await until(() => usagesIn(dir).length === n)
    rollAll(dir, rollup)
    t.strictSame(totals(rollup), plainTotals(dir))
  }
  await ledger.close()
  rollAll(dir, rollup)
  t.match(totals(rollup), { requests: 90, input: (90 * 91) / 2 })
  t.equal(rollAll(dir, rollup).records, 0)
})

t.test('two who roll up the same folder into the same file do not count twice', async t => {
  const dir = t.testdir()
  for (let number = 0; number < 3; number++) writeSegment(dir, uses(100), { number })
  const file = `${dir}/rollup.sqlite`
  const [one, other] = [new Rollup(file), new Rollup(file)]
  const rolling = [roll(dir, one, 10_000), roll(dir, other, 7_000)]
  while (rolling.some(each => each.next().done !== true));
  t.strictSame(totals(one), plainTotals(dir))
  rollAll(dir, other)
  t.strictSame(totals(other), plainTotals(dir))
  one.close()
  other.close()
})

t.test('a corrupt line is told of by file and line, and costs no other', async t => {
  const dir = t.testdir()
  const path = writeSegment(dir, uses(9))
  const lines = readFileSync(path, 'latin1').split('\n')
  lines[3] = 'x'.repeat(lines[3]?.length ?? 0)
  lines[4] = '{'
  lines[8] = (lines[8] ?? '').replace('"input":7', '"input":8')
  writeFileSync(path, lines.join('\n'))
  const rollup = rolled(dir)
  t.equal(totals(rollup).requests, 6)
  // The line behind those that have no check any more is counted, but nothing speaks for it.
  t.match(rollup.damages(...ALWAYS, 9), {
    count: 4,
    first: [
      { line: 4, lines: 2, kind: 'changed', number: 0, boot: BOOT },
      { line: 6, lines: 1, kind: 'unproven' },
      { line: 9, lines: 1, kind: 'changed' }
    ]
  })
  const all = new Rollup(':memory:')
  for (const _ of roll(dir, all, 500));
  t.strictSame(totals(all), totals(rollup))
  t.equal(all.damages(...ALWAYS, 9).count, 4)
})

t.test('a line whose numbers make no sense is told of too', async t => {
  const dir = t.testdir()
  writeSegment(dir, [{}, { usage: { output: -4 } }, {}])
  const rollup = rolled(dir)
  t.equal(totals(rollup).requests, 2)
  t.match(rollup.damages(...ALWAYS, 9), { count: 1, first: [{ line: 3, kind: 'senseless' }] })
})

t.test('what stands behind the last good line of an open segment is no damage until the segment is sealed', async t => {
  const dir = t.testdir()
  const path = writeSegment(dir, uses(3), { isSealed: false })
  appendFileSync(path, '{"torn":')
  const rollup = rolled(dir)
  t.equal(rollup.damages(...ALWAYS, 9).count, 0)
  renameSync(path, path.replace('.open', ''))
  rollAll(dir, rollup)
  t.match(rollup.damages(...ALWAYS, 9), { count: 1, first: [{ line: 5, kind: 'torn' }] })
  t.equal(totals(rollup).requests, 3)
})

t.test('lines that a machine has lost with its power are taken back, and those in their place counted', async t => {
  const dir = t.testdir()
  writeSegment(dir, uses(5), { number: 0 })
  const path = writeSegment(dir, uses(9), { number: 1, isSealed: false })
  const rollup = rolled(dir)
  t.equal(totals(rollup).requests, 14)
  const text = readFileSync(path, 'utf8')
  truncateSync(path, Buffer.byteLength(text.split('\n').slice(0, 4).join('\n')) + 1)
  rollAll(dir, rollup)
  t.strictSame(totals(rollup), plainTotals(dir))
  const lines = Array.from({ length: 30 }, (_, n) => (seq: number) => used({ usage: { input: n } }, seq))
  writeFileSync(path, segmentBytes({ lines, number: 1, first: 1_000_000, isSealed: false }).bytes)
  rollAll(dir, rollup)
  t.strictSame(totals(rollup), plainTotals(dir))
  t.equal(totals(rollup).requests, 35)
})

t.test('segments that are taken away stay in the sums', async t => {
  const dir = t.testdir()
  const path = writeSegment(dir, uses(5))
  const rollup = rolled(dir)
  rmSync(path)
  rollAll(dir, rollup)
  t.equal(totals(rollup).requests, 5)
})

t.test('the sums do not depend on how the records are cut into segments and steps', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.record({ sub: fc.constantFrom('a', 'b'), input: fc.nat(1e9) }), { maxLength: 30 }), {
        maxLength: 5
      }),
      fc.integer({ min: 1, max: 4_000_000 }),
      async (segments, batchBytes) => {
        const dir = t.testdir()
        for (const [number, records] of segments.entries())
          writeSegment(
            dir,
            records.map(({ sub, input }) => ({ sub, usage: { input } })),
            { number }
          )
        const rollup = new Rollup(':memory:')
        for (const _ of roll(dir, rollup, batchBytes));
        t.strictSame(totals(rollup), plainTotals(dir))
        for (const [number] of segments.entries())
          rmSync(`${dir}/${segmentFile({ instance: 'gw-0', boot: BOOT, number, isOpen: false })}`)
      }
    ),
    { numRuns: 25 }
  )
})
