import fc from 'fast-check'
import t from 'tap'
import { EngineSpeed } from '../../src/tokens/engine-speed.ts'

const of = (team = 'a', origin = 'http://e') => ({ team, model: 'm', origin })
const job = { inputTokens: 0, answers: 1 }

t.test('how far an engine has come is told by what whole calls have taken, start and step', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 0, max: 3_000 }),
      fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 30, maxLength: 60 }),
      fc.integer({ min: 10, max: 1_000 }),
      (stepMs, startMs, lengths, made) => {
        const speed = new EngineSpeed()
        for (const tokens of lengths) speed.learn(of(), job, tokens, startMs + tokens * stepMs)
        const spread = Math.max(...lengths) - Math.min(...lengths)
        fc.pre(spread > 500)
        const guessed = speed.outputTokens(of(), job, startMs + made * stepMs)
        return Math.abs(guessed - made) <= 0.1 * made + 40
      }
    )
  )
})

t.test('answers are made side by side, and a long prompt comes before them', async t => {
  const speed = new EngineSpeed()
  for (let n = 0; n < 40; n++) speed.learn(of(), { inputTokens: 640, answers: 3 }, 3 * (50 + n), 100 + (60 + n) * 10)
  const made = speed.outputTokens(of(), { inputTokens: 640, answers: 3 }, 100 + 70 * 10)
  t.ok(Math.abs(made - 180) < 15, `${made}`)
  t.equal(speed.promptShare(of(), 640, 400, false), 1)
  t.ok(Math.abs(speed.promptShare(of(), 640, 150, false) - 0.5) < 0.3)
  t.equal(speed.promptShare(of(), 640, 20, false), 0)
  t.equal(speed.promptShare(of(), 64, 400, true), 0, 'one that reads in less time than it takes to begin has not begun')
  t.ok(speed.promptShare(of(), 640, 400, true) < 0.8, 'a stream without a token may not have begun')
  t.equal(speed.outputTokens(of(), { inputTokens: 640, answers: 3 }, 50), 0)
})

t.test('once streams have shown when a first token comes, a prompt is charged by that time, right on average', t => {
  const speed = new EngineSpeed()
  const firstMs = (n: number) => 40 + ((n * 7) % 40)
  for (let n = 0; n < 40; n++) speed.learn(of(), { inputTokens: 100, answers: 1 }, 50, firstMs(n) + 500, firstMs(n))
  // What came since is calls in one piece, whose lengths say nothing of the first token.
  for (let n = 0; n < 40; n++) speed.learn(of(), { inputTokens: 100, answers: 1 }, 50, 900)
  let [charged, made, unread, uncharged] = [0, 0, 0, 0]
  for (let leftMs = 0; leftMs < 200; leftMs++) {
    for (let n = 0; n < 40; n++) {
      charged += speed.promptShare(of(), 100, leftMs, false)
      made += leftMs >= firstMs(n) ? 1 : 0
      if (leftMs >= firstMs(n)) continue
      unread += speed.promptShare(of(), 100, leftMs, true)
      // It comes to the engine 5 ms earlier than to the gate, and the end of the call to the engine 5 ms after that.
      uncharged += leftMs + 10 >= firstMs(n) ? 1 : 0
    }
  }
  t.ok(Math.abs(charged / made - 1) < 0.05, `${charged} of ${made}`)
  t.ok(Math.abs(unread - uncharged) < 0.02 * made, `${unread} of ${uncharged}`)
  t.equal(speed.promptShare(of(), 100, 10, true), 0)
  t.end()
})

t.test('what an engine does is learned of each engine, and by each team for itself', async t => {
  const speed = new EngineSpeed()
  const before = speed.outputTokens(of('b'), job, 10_000)
  for (let n = 0; n < 40; n++) speed.learn(of('slow'), job, 100, 1_000_000)
  t.equal(speed.outputTokens(of('b'), job, 10_000), before)
  for (let n = 0; n < 5; n++) speed.learn(of('b'), job, 100, 500)
  t.ok(speed.outputTokens(of('b'), job, 10_000) > 1_500)
  t.equal(speed.outputTokens(of('b', 'http://other'), job, 10_000), before)
})

t.test('a call that waited in the engine is no measure for the others', async t => {
  const speed = new EngineSpeed()
  for (let n = 0; n < 40; n++) speed.learn(of(), job, 50 + n, (50 + n) * 10)
  speed.learn(of(), job, 60, 3_600_000)
  t.ok(speed.outputTokens(of(), job, 1_000) > 60)
})

t.test(
  'streams, which show their first token, tell what comes before an answer though their lengths vary little',
  async t => {
    const speed = new EngineSpeed()
    // Long answers took a little less time a token, as in an engine whose load changes: alone, that looks like a long start.
    for (let n = 0; n < 40; n++) speed.learn(of(), job, 60 + n, 100 + (60 + n) * 10 - n * 6, 110)
    const made = speed.outputTokens(of(), job, 300)
    t.ok(made > 14 && made < 26, `${made} of 20`)
    const blind = new EngineSpeed()
    for (let n = 0; n < 40; n++) blind.learn(of(), job, 60 + n, 100 + (60 + n) * 10 - n * 6)
    t.ok(blind.outputTokens(of(), job, 300) < 14)
  }
)

t.test('behind what was read of a stream an engine makes no more than one token of each answer', async t => {
  const speed = new EngineSpeed()
  t.equal(speed.untoldTokens(of(), 1), 0, 'nothing is known of it')
  for (let n = 0; n < 40; n++) speed.learn(of(), job, 50 + n, (50 + n) * 40)
  t.ok(Math.abs(speed.untoldTokens(of(), 2) - 0.5) < 0.05, `${speed.untoldTokens(of(), 2)}`)
  for (let n = 0; n < 40; n++) speed.learn(of('a', 'http://fast'), job, 50 + n, 50 + n)
  t.equal(speed.untoldTokens(of('a', 'http://fast'), 3), 3)
})
