import t from 'tap'
import { Queue } from '../../src/charge/queue.ts'

const entry = (data: string) => ({ call: 0, isOpen: true, data, team: '', time: '' })

t.test('lines come out in their order, all at once, with the time when the first came', async t => {
  const queue = new Queue()
  t.equal(queue.sinceMs, null)
  const before = performance.now()
  queue.add(entry('a'))
  const sinceMs = queue.sinceMs ?? 0
  t.ok(sinceMs >= before)
  queue.add(entry('bc'))
  t.match(queue, { size: 2, bytes: 3, sinceMs })
  t.match(queue.takeAll(), { entries: [{ data: 'a' }, { data: 'bc' }], sinceMs })
  t.match(queue, { size: 0, bytes: 0, sinceMs: null })
})

t.test('it is full by what it holds, or by how many lines', async t => {
  const large = new Queue()
  const line = entry('x'.repeat(1024 * 1024))
  for (let n = 0; n < 31; n++) large.add(line)
  t.equal(large.isFull, false)
  large.add(line)
  t.equal(large.isFull, true)
  const many = new Queue()
  for (let n = 0; n < 50_000; n++) many.add(entry(''))
  t.equal(many.isFull, true)
  many.takeAll()
  t.equal(many.isFull, false)
})
