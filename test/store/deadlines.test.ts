import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { Deadlines } from '../../src/store/deadlines.ts'

const late = () => new Error('late')
const after = <T>(ms: number, value: T) => new Promise<T>(resolve => setTimeout(resolve, ms, value))

t.test('what is answered in time is what was answered, also when it is an error', async t => {
  const deadlines = new Deadlines(5_000)
  t.equal(await deadlines.await(after(1, 'yes'), late), 'yes')
  await t.rejects(deadlines.await(Promise.reject(new Error('no')), late), { message: 'no' })
})

t.test('what is not answered in time is given up, each at its own time', async t => {
  const deadlines = new Deadlines(20)
  const never = new Promise<never>(() => {})
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  await t.rejects(deadlines.await(never, late), { message: 'late' })
  const asked = Array.from({ length: 100 }, () => deadlines.await(never, late).then(null, (err: Error) => err.message))
  t.strictSame(new Set(await Promise.all(asked)), new Set(['late']))
})

t.test('a loop that was late itself takes no answer that lies there for a missing one', async t => {
  const deadlines = new Deadlines(20)
  const { port1, port2 } = new MessageChannel()
  t.teardown(() => port1.close())
  const answer = new Promise(resolve => port1.once('message', resolve))
  const asked = deadlines.await(answer, late)
  port2.postMessage('there')
  const busyUntil = performance.now() + 100
  while (performance.now() < busyUntil);
  t.equal(await asked, 'there')
})
