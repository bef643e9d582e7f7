import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { Cursor, sinkFiles } from '../../src/export/cursor.ts'

const boot = (n: number) => `gw-0/01JD9K3S7M${String(n).padStart(16, '0')}`

t.test('what was written is read, and there is nothing at first', async t => {
  const file = `${t.testdir()}/c.json`
  const first = Cursor.read(file)
  t.equal(first.places.size, 0)
  const place = { segment: 3, seq: 417, isDone: false }
  first.advance(new Map([[boot(1), place]]), new Set([boot(1)]))
  const second = Cursor.read(file)
  t.strictSame([...second.places], [[boot(1), place]])
  second.advance(new Map([[boot(2), { ...place, isDone: true }]]), new Set([boot(1), boot(2)]))
  t.strictSame([...Cursor.read(file).places.keys()], [boot(1), boot(2)])
})

t.test('boots that are gone are remembered for a while, the newest of them', async t => {
  const file = `${t.testdir()}/c.json`
  const place = { segment: 0, seq: 1, isDone: true }
  const many = new Map(Array.from({ length: 1_200 }, (_, n) => [boot(n), place]))
  Cursor.read(file).advance(many, new Set([boot(0)]))
  const kept = [...Cursor.read(file).places.keys()]
  t.equal(kept.length, 1_001)
  t.ok(kept.includes(boot(0)) && kept.includes(boot(1_199)) && !kept.includes(boot(1)))
})

t.test('a cursor that is none is not taken for an empty one', async t => {
  const file = `${t.testdir()}/c.json`
  const texts = ['', '{', '{"v":2,"boots":{}}', '{"v":1,"boots":{"a/b":[1,2]}}', '{"v":1,"boots":{"a/b":["1",2,true]}}']
  for (const text of texts) {
    writeFileSync(file, text)
    t.throws(() => Cursor.read(file), { message: /shipped again, which has no second effect/ }, text)
  }
  t.throws(() => Cursor.read(t.testdir()), { message: /EISDIR/ })
})

t.test('the files of a sink stand beside the ledger', async t => {
  t.strictSame(sinkFiles('/d', 'lake'), {
    cursor: '/d/export-lake.cursor.json',
    lock: '/d/export-lake.lock',
    deadLetters: '/d/export-lake.dead-letters.jsonl'
  })
})

t.test('a write that fails leaves the cursor as it was', async t => {
  const dir = t.testdir({ 'c.json.next': {} })
  writeFileSync(`${dir}/c.json`, '{"v":1,"boots":{}}')
  const cursor = Cursor.read(`${dir}/c.json`)
  t.throws(() => cursor.advance(new Map(), new Set()), { code: 'EISDIR' })
  t.equal(readFileSync(`${dir}/c.json`, 'utf8'), '{"v":1,"boots":{}}')
})
