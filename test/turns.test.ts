import fc from 'fast-check'
import t from 'tap'
import { Turns } from '../src/turns.ts'

/** Lets everything run that can. */
const settle = () => new Promise(resolve => setImmediate(resolve))

t.test('so much runs at once, so much waits in order, and one more is turned away at once', async t => {
  const turns = new Turns({ atOnce: 2, waiting: 1 })
  const order: string[] = []
  const gates = ['a', 'b', 'c'].map(() => Promise.withResolvers<void>())
  const enter = (name: string, index: number) =>
    turns.run(async () => {
      order.push(name)
      await gates[index]?.promise
      return name
    })
  const [a, b, c] = [enter('a', 0), enter('b', 1), enter('c', 2)]
  t.equal(await enter('d', 2), null)
  t.strictSame(order, ['a', 'b'])
  gates[0]?.resolve()
  t.equal(await a, 'a')
  gates[2]?.resolve()
  t.equal(await c, 'c')
  gates[1]?.resolve()
  t.equal(await b, 'b')
  t.strictSame(order, ['a', 'b', 'c'])
})

t.test('work that fails gives its place back', async t => {
  const turns = new Turns({ atOnce: 1, waiting: 1 })
  await t.rejects(turns.run(async () => Promise.reject(new Error('no'))))
  t.equal(await turns.run(async () => 1), 1)
})

t.test('the one who waits has the next place; a newcomer at that very moment does not make two run', async t => {
  for (let after = 0; after < 6; after++) {
    const turns = new Turns({ atOnce: 1, waiting: 10 })
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++running)
      await settle()
      running--
    }
    const newcomer = Promise.withResolvers<unknown>()
    const arrive = async () => {
      for (let i = 0; i < after; i++) await null
      newcomer.resolve(turns.run(work))
    }
    const first = turns.run(async () => {
      await work()
      void arrive()
    })
    await Promise.all([first, turns.run(work), newcomer.promise])
    t.equal(most, 1, `${after} turns of the queue after the first`)
  }
})

t.test('turns go round by address: one that asks once waits for one turn of one that asks for many', async t => {
  const turns = new Turns({ atOnce: 1, waiting: 100 })
  const order: string[] = []
  const ask = (key: string) => turns.run(async () => order.push(key), key)
  const many = Array.from({ length: 50 }, () => ask('flood'))
  await Promise.all([...many, ask('one'), ask('two')])
  t.ok(order.indexOf('one') <= 2 && order.indexOf('two') <= 4, order.slice(0, 6).join(' '))
})

t.test('a full queue turns away the latest of the address that has most in it, never an honest newcomer', async t => {
  const turns = new Turns({ atOnce: 1, waiting: 10 })
  const gate = Promise.withResolvers<void>()
  const ask = (key: string) => turns.run(async () => await gate.promise.then(() => key), key)
  const flood = Array.from({ length: 30 }, () => ask('flood'))
  const honest = ['a', 'b', 'c'].map(ask)
  gate.resolve()
  t.strictSame(await Promise.all(honest), ['a', 'b', 'c'])
  const served = (await Promise.all(flood)).filter(one => one !== null)
  t.equal(served.length, 8, 'one that ran, ten that waited, of whom three made room')
})

t.test(
  'whoever asks in whatever order: no more runs at once than may, nothing is lost, and places come back',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 }), async keys => {
        const turns = new Turns({ atOnce: 2, waiting: 5 })
        let [running, most, done] = [0, 0, 0]
        const answers = await Promise.all(
          keys.map(key =>
            turns.run(async () => {
              most = Math.max(most, ++running)
              await settle()
              running--
              done++
              return key
            }, key)
          )
        )
        const served = answers.filter(answer => answer !== null).length
        return (
          most <= 2 && done === served && served >= Math.min(keys.length, 7) && (await turns.run(async () => 1)) === 1
        )
      }),
      { numRuns: 50 }
    )
  }
)
