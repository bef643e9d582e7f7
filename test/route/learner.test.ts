import t from 'tap'
import { createLearner } from '../../src/route/learner.ts'

const log = { warn() {}, info() {} }

t.test('what the targets of a pool serve is put together; one that is silent takes nothing away', async t => {
  const answers: Record<string, string[] | null> = { a: ['m', 'n'], b: null, c: ['n', 'o'] }
  const learner = createLearner({
    pools: [{ name: 'p', targets: ['a', 'b', 'c'] }],
    fetchModels: async origin => answers[origin] ?? Promise.reject(new Error('down')),
    random: () => 0.5,
    log
  })
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
    pools: [{ name: 'p', targets: ['a'] }],
    fetchModels: async () => (++asked < 2 ? Promise.reject(new Error('starting')) : ['m']),
    random: () => 0,
    log
  })
  t.teardown(() => learner.close())
  // Its clocks keep no process alive; this test does.
  const awake = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(awake))
  learner.start()
  await learner.ready('p')
  t.equal(asked, 2)
})
