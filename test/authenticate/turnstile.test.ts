import t from 'tap'
import { Turnstile } from '../../src/authenticate/turnstile.ts'

t.test('V23: so many run, so many wait in order, and one more is turned away at once', async t => {
  const turnstile = new Turnstile({ maxRunning: 2, maxWaiting: 1 })
  const order: string[] = []
  const gates = ['a', 'b', 'c'].map(() => Promise.withResolvers<void>())
  const enter = (name: string, index: number) =>
    turnstile.enter(async () => {
      order.push(name)
      await gates[index]?.promise
      return name
    })
  const [a, b, c] = [enter('a', 0), enter('b', 1), enter('c', 2)]
  t.equal(enter('d', 2), null)
  t.strictSame(order, ['a', 'b'])
  gates[0]?.resolve()
  t.equal(await a, 'a')
  gates[2]?.resolve()
  t.equal(await c, 'c')
  gates[1]?.resolve()
  t.equal(await b, 'b')
  t.strictSame(order, ['a', 'b', 'c'])
})

t.test('V23: a task that fails makes room like any other', async t => {
  const turnstile = new Turnstile({ maxRunning: 1, maxWaiting: 1 })
  await t.rejects(turnstile.enter(async () => Promise.reject(new Error('no'))) ?? Promise.resolve())
  t.equal(await turnstile.enter(async () => 1), 1)
})

t.test('V23: the one who waits has the next place; a newcomer at that very moment does not make two run', async t => {
  for (let turns = 0; turns < 6; turns++) {
    const turnstile = new Turnstile({ maxRunning: 1, maxWaiting: 10 })
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++running)
      await new Promise(resolve => setImmediate(resolve))
      running--
    }
    const newcomer = Promise.withResolvers<unknown>()
    const arrive = async () => {
      for (let i = 0; i < turns; i++) await null
      newcomer.resolve(turnstile.enter(work))
    }
    const first = turnstile.enter(async () => {
      await work()
      void arrive()
    })
    await Promise.all([first, turnstile.enter(work), newcomer.promise])
    t.equal(most, 1, `${turns} turns of the queue after the first`)
  }
})
