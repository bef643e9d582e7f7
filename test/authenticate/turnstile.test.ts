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
