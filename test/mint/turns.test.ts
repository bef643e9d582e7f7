import t from 'tap'
import { Turns } from '../../src/mint/turns.ts'

t.test('so much runs at once, so much waits, and what comes then is told at once', async t => {
  const turns = new Turns({ atOnce: 2, waiting: 3 })
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
  let running = 0
  let most = 0
  const work = async (at: number) => {
    most = Math.max(most, ++running)
    await gates[at]?.promise
    running--
    return at
  }
  const all = gates.map((_, at) => turns.run(() => work(at)))
  t.equal(turns.isFull, true)
  t.equal(
    turns.run(() => work(0)),
    null
  )
  for (const gate of gates) gate.resolve()
  t.strictSame(await Promise.all(all), [0, 1, 2, 3, 4])
  t.equal(most, 2)
  t.equal(turns.isFull, false)
})

t.test('who comes in the moment in which a place is handed on does not get between', async t => {
  const turns = new Turns({ atOnce: 1, waiting: 10 })
  let running = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++running)
    await null
    running--
  }
  const first = turns.run(work)
  const second = turns.run(work)
  await first?.then(() => turns.run(work))
  await second
  t.equal(most, 1)
})

t.test('work that fails gives its place back', async t => {
  const turns = new Turns({ atOnce: 1, waiting: 1 })
  await t.rejects(turns.run(() => Promise.reject(new Error('no'))) ?? Promise.resolve())
  t.equal(await turns.run(async () => 'yes'), 'yes')
})
