import { existsSync } from 'node:fs'
import t from 'tap'
import { type Entry, Roll } from '../../src/charge/roll.ts'
import { SegmentWriter } from '../../src/charge/segment-writer.ts'
import { listBoots } from '../../src/segments/folder.ts'
import { errorsIn, linesIn } from '../helpers/ledger-files.ts'
import { BOOT } from '../helpers/ledger-lines.ts'

function rollIn(dir: string, segmentBytes = 500): Roll {
  const book = { dir, instance: 'gw-0', boot: BOOT, nowMs: () => 1_800_000_000_000 }
  return new Roll(book, SegmentWriter.create(book, { number: 0, seq: 0, prev: null, carried: 0 }), segmentBytes)
}

function open(call: number): Entry {
  return { call, isOpen: true, data: JSON.stringify({ call }), team: '', time: '2027-01-15T08:00:00.000Z' }
}

const callsIn = (dir: string) => linesIn(dir).flatMap(line => ('call' in line.data ? [line.data.call] : []))

t.test('the next segment begins when the kernel has the seal, and the name comes with the sync', async t => {
  const dir = t.testdir()
  const roll = rollIn(dir)
  roll.put(open(0))
  roll.end()
  await roll.flush()
  await roll.begin()
  roll.put(open(1))
  await roll.flush()
  const isOpen = () => listBoots(dir)[0]?.segments.map(segment => segment.isOpen)
  t.strictSame(isOpen(), [true, true])
  t.strictSame(callsIn(dir), [0, 0, 1], 'what goes on is named again')
  t.equal(roll.isSynced, false)
  t.strictSame(errorsIn(dir), [], 'a reader finds nothing amiss')
  await roll.sync()
  t.strictSame(isOpen(), [false, true])
  t.equal(roll.isSynced, true)
  roll.close()
})

t.test('what is carried makes no segment full: however much goes on, a segment holds what is new', async t => {
  const dir = t.testdir()
  const roll = rollIn(dir)
  for (let call = 0; call < 20; call++) roll.put(open(call))
  t.equal(roll.isFull, true)
  roll.end()
  await roll.flush()
  await roll.begin()
  t.equal(roll.isEmpty, true)
  t.equal(roll.isFull, false)
  roll.put({ ...open(3), isOpen: false })
  t.equal(roll.isEmpty, false)
  t.equal(roll.running, 19)
  await roll.commit()
  roll.close()
})

t.test('a process that ends between two segments writes into the next one', async t => {
  const dir = t.testdir()
  const roll = rollIn(dir)
  roll.put(open(0))
  roll.end()
  roll.beginSync()
  roll.put(open(1))
  roll.commitSync()
  roll.close()
  t.strictSame(callsIn(dir), [0, 0, 1])
})

t.test('a boot that was sealed has no segment without a name', async t => {
  const dir = t.testdir()
  const roll = rollIn(dir)
  roll.put(open(0))
  roll.end()
  await roll.flush()
  await roll.begin()
  await roll.seal()
  const segments = listBoots(dir)[0]?.segments ?? []
  t.strictSame(
    segments.map(({ isOpen, path }) => [isOpen, existsSync(path)]),
    [
      [false, true],
      [false, true]
    ]
  )
})
