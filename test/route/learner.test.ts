import { mock } from 'node:test'
import { setImmediate as settled } from 'node:timers/promises'
import t from 'tap'
import { createLearner } from '../../src/route/learner.ts'

const log = { warn() {}, info() {} }

t.test('what the targets of a pool serve is put together; one that is silent takes nothing away', async t => {
  const answers: Record<string, string[] | null> = { a: ['m', 'n'], b: null, c: ['n', 'o'] }
  const learner = createLearner({
    fetchModels: async origin => answers[origin] ?? Promise.reject(new Error('down')),
    random: () => 0.5,
    log
  })
  learner.follow([{ name: 'p', targets: ['a', 'b', 'c'] }])
  t.teardown(() => learner.close())
  t.equal(learner.learned('p'), null)
  learner.start()
  await learner.ready('p')
  t.strictSame(learner.learned('p'), ['m', 'n', 'o'])
  t.equal(learner.learned('other'), null)
  await learner.ready('other')
})

t.test('a pool that does not answer is asked again', async t => {
  let asked = 0
  const learner = createLearner({
    fetchModels: async () => (++asked < 2 ? Promise.reject(new Error('starting')) : ['m']),
    random: () => 0,
    log
  })
  learner.follow([{ name: 'p', targets: ['a'] }])
  t.teardown(() => learner.close())
  // Its clocks keep no process alive; this test does.
  const awake = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(awake))
  learner.start()
  await learner.ready('p')
  t.equal(asked, 2)
})

t.test('a target that falls silent is remembered as it was, and asked again sooner', async t => {
  let round = 0
  const heard = Promise.withResolvers<void>()
  const learner = createLearner({
    fetchModels: async origin => {
      if (origin === 'a') return ['m', 'n'].slice(0, ++round)
      if (round === 1) return ['o']
      if (round === 3) heard.resolve()
      throw new Error('restarting')
    },
    random: () => 0,
    log
  })
  learner.follow([{ name: 'p', targets: ['a', 'b'] }])
  t.teardown(() => learner.close())
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  learner.start()
  await learner.ready('p')
  t.strictSame(learner.learned('p'), ['m', 'o'])
  await settled()
  mock.timers.tick(27_000)
  await settled()
  t.strictSame(learner.learned('p'), ['m', 'n', 'o'])
  mock.timers.tick(899)
  await settled()
  t.equal(round, 2)
  mock.timers.tick(1)
  await heard.promise
  t.strictSame(learner.learned('p'), ['m', 'n', 'o'])
})

t.test('the list is the same array until it changes', async t => {
  let served = ['n', 'm']
  const learner = createLearner({
    fetchModels: async () => served,
    random: () => 0,
    log
  })
  learner.follow([{ name: 'p', targets: ['a'] }])
  t.teardown(() => learner.close())
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  learner.start()
  await learner.ready('p')
  await settled()
  const first = learner.learned('p')
  served = ['m', 'n']
  mock.timers.tick(27_000)
  await settled()
  t.equal(learner.learned('p'), first)
  served = ['m']
  mock.timers.tick(27_000)
  await settled()
  t.strictSame(learner.learned('p'), ['m'])
})

t.test(
  'a pool that stays keeps what is known of it while its new engines are asked; one that goes is forgotten',
  async t => {
    const asked: string[] = []
    const gate = Promise.withResolvers<string[]>()
    const learner = createLearner({
      fetchModels: origin => {
        asked.push(origin)
        return origin === 'c' ? gate.promise : Promise.resolve([`of ${origin}`])
      },
      random: () => 0,
      log
    })
    t.teardown(() => learner.close())
    const awake = setInterval(() => {}, 1000)
    t.teardown(() => clearInterval(awake))
    learner.follow([
      { name: 'p', targets: ['a', 'b'] },
      { name: 'q', targets: ['d'] }
    ])
    learner.start()
    await Promise.all([learner.ready('p'), learner.ready('q')])
    await settled()
    learner.follow([{ name: 'p', targets: ['b', 'c'] }])
    t.strictSame(learner.learned('p'), ['of a', 'of b'])
    t.equal(learner.learned('q'), null)
    while (!asked.includes('c')) await settled()
    gate.resolve(['of c'])
    while (learner.learned('p')?.includes('of a')) await settled()
    t.strictSame(learner.learned('p'), ['of b', 'of c'])
  }
)
