import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Usage } from '../../src/exchange.ts'
import { type Ended, FLOOR, Habits, type Work, workOf } from '../../src/route/cost.ts'
import { exchangeTo } from '../helpers/exchanges.ts'
import { WORK } from '../helpers/pools.ts'

const usage = (
  inputTokens: number | null,
  cachedInputTokens: number | null,
  outputTokens: number | null,
  source: Usage['source'] = 'engine_final'
): Usage => ({ source, inputTokens, cachedInputTokens, outputTokens, reasoningTokens: null, audioSeconds: null })
const ended = (usage: Usage | null, status: number | null = 200, failure: GateError | null = null): Ended => ({
  usage,
  status,
  failure
})
const stream = (bytes: number): Work => ({ ...WORK, streamedBytes: () => bytes })

t.test('output counts twice, and what a cache had is free', async t => {
  const cost = (one: Usage) => new Habits().costOf(ended(one), WORK)
  t.equal(cost(usage(100, null, 50)), 200)
  t.equal(cost(usage(100, 90, 50)), 110)
  t.equal(cost(usage(100, null, null)), 100)
  t.equal(cost(usage(0, 0, 0)), FLOOR, 'no call is cheaper than the least, whatever its engine says')
  t.equal(cost(usage(5, 1_000, 0)), FLOOR)
})

t.test('what nobody has counted is not counted as nothing, and what was refused as the least', async t => {
  const habits = new Habits()
  for (let i = 0; i < 200; i++) habits.learn(ended(usage(100, null, 100)), { ...WORK, inputBytes: 400 }, 2_000)
  const cost = (of: Ended, more: Partial<Work> = {}) =>
    Math.round(habits.costOf(of, { ...WORK, inputBytes: 400, ...more }))
  t.equal(cost(ended(null)), 300, 'what its calls cost')
  t.equal(cost(ended(null), { maxOutputTokens: 5 }), 110)
  t.equal(cost(ended(null, 400)), FLOOR)
  t.equal(cost(ended(null, null, new GateError('TOLLGATE_FORWARD_UNREACHABLE'))), FLOOR)
  t.equal(cost(ended(usage(0, null, 0, 'estimated'), null)), FLOOR, 'whoever left before the engine had begun')
  t.equal(cost(ended(usage(100, null, 10_000, 'estimated'), 200)), 20_100, 'and who has left a long stream')
})

t.test(
  'a call is thought to cost what its own size says, and no more than calls of its team do in such a time',
  async t => {
    const habits = new Habits()
    // A long prompt and a short answer, in a second.
    for (let i = 0; i < 8; i++) habits.learn(ended(usage(100_000, null, 5)), { ...WORK, inputBytes: 400_000 }, 1_000)
    const short = habits.costWithin(0, 1_000, { ...WORK, inputBytes: 400 })
    t.ok(short < 1_000, `not as those before: ${short}`)
    t.ok(habits.costWithin(0, 1_000, { ...WORK, inputBytes: 400_000 }) > 10_000)
    const usual = new Habits()
    for (let i = 0; i < 50; i++) usual.learn(ended(usage(100, null, 100)), { ...WORK, inputBytes: 400 }, 2_000)
    const image = usual.costWithin(0, 1_000, { ...WORK, inputBytes: 4_000_000 })
    t.ok(image < 200, `a megabyte of an image is no million tokens: ${image}`)
    t.ok(usual.costWithin(0, 1_000, { ...WORK, inputBytes: 400, maxOutputTokens: 1 }) <= 102 + 2)
  }
)

t.test('while a stream runs it is charged for what it has taken for certain', async t => {
  const habits = new Habits()
  t.equal(habits.leastOf(stream(1_000_000)), 0, 'nothing is known of its bytes yet')
  habits.learn(ended(usage(10, null, 100)), stream(20_000), 2_000)
  habits.learn(ended(usage(10, null, 100)), stream(40_000), 2_000)
  t.equal(habits.leastOf(stream(40_000)), 200, 'as if each of its tokens took as many bytes as ever')
  t.equal(habits.leastOf({ ...stream(40_000), maxOutputTokens: 5 }), 10, 'and no more than it has asked for')
})

t.test('a call is as large as its text and its tokens, and may make all answers to all prompts', async t => {
  const exchange = exchangeTo({ engine: 'vllm', operation: 'completions' })
  exchange.bytesIn = 1_000_000
  exchange.size = { textBytes: 100, ids: 5, media: 0, prompts: 2, answers: 3, totalAnswers: 6, maxAnswerTokens: 10 }
  t.match(workOf(exchange), { inputBytes: 120, maxOutputTokens: 60 })
  exchange.size = { ...exchange.size, maxAnswerTokens: null }
  t.equal(workOf(exchange).maxOutputTokens, Number.POSITIVE_INFINITY)
  exchange.bytesOut = 7
  t.equal(workOf(exchange).streamedBytes(), 7)
})
