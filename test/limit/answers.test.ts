import t from 'tap'
import { answersAsked, ONE_ANSWER, outputReserved, perAnswer } from '../../src/limit/answers.ts'
import { usage } from '../helpers/limit-scene.ts'

t.test('answers are prompts times copies, wherever the copies stand', async t => {
  const count = (fields: Record<string, unknown>) => answersAsked(fields).count
  const prompt = Array.from({ length: 64 }, () => 'x')
  t.equal(count({}), 1)
  t.equal(count({ n: 4 }), 4)
  t.equal(count({ n: 2, best_of: 5 }), 5)
  t.equal(count({ prompt, n: 4 }), 256)
  t.equal(count({ prompt, best_of: 4 }), 256)
  t.equal(count({ text: prompt, sampling_params: { n: 4 } }), 256)
  t.equal(count({ text: prompt, sampling_params: { num_return_sequences: 3 } }), 192)
  t.equal(count({ text: ['a', 'b'], sampling_params: [{ n: 2 }, { n: 4 }] }), 6, 'a set for each prompt')
  t.equal(
    count({ text: ['a', 'b', 'c'], sampling_params: [{ n: 2 }, { n: 4 }] }),
    12,
    'no set for each: the larger one'
  )
  t.equal(count({ prompt: [1, 2, 3], n: 2 }), 2)
  t.equal(count({ prompt: [1, 'x', 'y'], n: 2 }), 6)
  t.equal(count({ messages: [[{}], [{}], [{}]], n: 2 }), 6)
  for (const n of [0, -1, 2.5, '4', null, true, [4]]) t.equal(count({ n }), 1, JSON.stringify(n))
})

t.test('the length of an answer is the longest that is named, by any name', async t => {
  const each = (fields: Record<string, unknown>) => answersAsked(fields).tokensEach
  t.equal(each({}), null)
  t.equal(each({ max_tokens: 0 }), null, 'engines take it for nothing said')
  t.equal(each({ max_tokens: 5, max_completion_tokens: 7 }), 7)
  t.equal(each({ sampling_params: [{ max_new_tokens: 5 }, { max_new_tokens: 9 }] }), 9)
  t.equal(each({ options: { num_predict: 8 } }), 8)
  t.equal(each({ n: 4, max_tokens: 5 }), 5, 'of one, not of all')
})

t.test('the cap is of one answer, and then it is multiplied', async t => {
  const options = { maxTokens: 1_000, maxAnswers: 256 }
  const asked = { count: 4, tokensEach: 32_000 }
  t.equal(outputReserved(asked, 512, { ...options, reserveOutput: 'max_tokens' }), 4_000)
  t.equal(outputReserved(asked, 512, { ...options, reserveOutput: 'p90' }), 2_048)
  t.equal(outputReserved({ count: 4, tokensEach: 5 }, 512, { ...options, reserveOutput: 'p90' }), 20)
  t.equal(outputReserved(asked, 512, { ...options, reserveOutput: 'none' }), 0)
  t.equal(outputReserved(ONE_ANSWER, 512, { ...options, reserveOutput: 'max_tokens' }), 1_000)
  const absurd = { count: 1e12, tokensEach: 1e12 }
  t.equal(
    outputReserved(absurd, 512, { ...options, reserveOutput: 'max_tokens' }),
    256_000,
    'such a call is refused later'
  )
})

t.test('lengths are learned of one answer', async t => {
  t.equal(perAnswer(usage({ outputTokens: 100 }), 4).outputTokens, 25)
  t.equal(perAnswer(usage({ outputTokens: 1 }), 4).outputTokens, 1)
  t.equal(perAnswer(usage({ outputTokens: null }), 4).outputTokens, null)
})
