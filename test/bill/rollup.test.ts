import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { Batch, readUsage } from '../../src/bill/records.ts'
import { type Cursor, Rollup } from '../../src/bill/rollup.ts'
import { ALWAYS, quarterAt, type Use, used } from '../helpers/bills.ts'

const START: Cursor = { instance: 'gw-0', boot: 'B', number: 0, at: 0, crc: 0, line: 0, seq: null, isDone: false }
const END: Cursor = { ...START, at: 100, crc: 7, line: 3, seq: 2 }

function batchOf(...uses: Use[]): Batch {
  const batch = new Batch()
  for (const use of uses) {
    const entry = readUsage(used(use))
    if (entry !== null) batch.add(entry)
  }
  return batch
}

const requests = (rollup: Rollup) => rollup.between(...ALWAYS).map(({ sub, sums }) => [sub, sums.requests, sums.input])

t.test('sums and the place up to which they go are one: who comes late changes neither', async t => {
  const rollup = new Rollup(':memory:')
  t.equal(rollup.cursor(START), null)
  t.equal(rollup.add(START, END, batchOf({}), []), true)
  t.equal(rollup.add(START, END, batchOf({}), []), false)
  t.strictSame(requests(rollup), [['u-1', 1n, 3n]])
  t.strictSame(rollup.cursor(START), END)
  const done = { ...END, at: 200, isDone: true }
  t.equal(rollup.add(END, done, batchOf({}, { sub: 'u-2' }), []), true)
  t.equal(rollup.add(done, { ...done, at: 300 }, batchOf({}), []), false)
  t.strictSame(requests(rollup), [
    ['u-1', 2n, 6n],
    ['u-2', 1n, 3n]
  ])
})

t.test('a segment that is not done can be taken back alone; one that is done cannot', async t => {
  const rollup = new Rollup(':memory:')
  const other = { ...START, number: 1 }
  rollup.add(START, { ...END, isDone: true }, batchOf({}), [])
  rollup.add(other, { ...END, number: 1 }, batchOf({}, { sub: 'u-2' }), [
    { line: 2, lines: 1, kind: 'changed', quarter: null }
  ])
  rollup.forget(other)
  rollup.forget(START)
  t.strictSame(requests(rollup), [['u-1', 1n, 3n]])
  t.equal(rollup.cursor(other), null)
  t.equal(rollup.damages(...ALWAYS, 9).count, 0)
})

t.test(
  'a stretch of time begins with its first quarter and ends before its last; a subject sees his own team',
  async t => {
    const rollup = new Rollup(':memory:')
    const times = ['2026-11-23T00:00:00.000Z', '2026-11-23T23:59:59.999Z', '2026-11-24T00:00:00.000Z']
    rollup.add(START, END, batchOf(...times.map(time => ({ time })), { team: 'team-b' }, { sub: 'u-2' }), [])
    const day = [quarterAt('2026-11-23T00:00:00Z'), quarterAt('2026-11-24T00:00:00Z')] as const
    const mine = rollup.ofSubject({ iss: 'https://idp.example.com', sub: 'u-1', team: 'team-a' }, ...day)
    t.strictSame(
      mine.map(({ team, sums }) => [team, sums.requests]),
      [['team-a', 2n]]
    )
    t.equal(rollup.between(...day).length, 3)
  }
)

t.test('sums beyond what a number holds exactly are exact', async t => {
  const rollup = new Rollup(':memory:')
  let cursor = START
  for (let at = 1; at <= 10; at++) {
    const next = { ...cursor, at }
    const uses = Array.from({ length: 1_000 }, () => ({ usage: { input: 1_000_000_000_000 - 1 } }))
    rollup.add(cursor, next, batchOf(...uses), [])
    cursor = next
  }
  t.equal(rollup.between(...ALWAYS)[0]?.sums.input, 10_000n * 999_999_999_999n)
})

t.test('a file that is none, is of another version, or cannot be made is told of', async t => {
  const dir = t.testdir()
  writeFileSync(`${dir}/text`, 'not a database, and long enough to be sure of it'.repeat(100))
  t.throws(() => new Rollup(`${dir}/text`), { message: /cannot be used \(file is not a database\)/, isReadOnly: false })
  const later = new DatabaseSync(`${dir}/later`)
  later.exec('PRAGMA user_version = 9')
  later.close()
  t.throws(() => new Rollup(`${dir}/later`), { message: /another version/, isReadOnly: false })
  t.throws(() => new Rollup(`${dir}/none/file`), { message: /ENOENT/ })
  new Rollup(`${dir}/new`).close()
  new Rollup(`${dir}/new`).close()
})
