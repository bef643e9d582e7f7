import t from 'tap'
import { outputReserved, perAnswer } from '../../src/limit/answers.ts'
import { usage } from '../helpers/limit-scene.ts'

t.test('the cap is of one answer, and then it is multiplied', async t => {
  const options = { maxTokens: 1_000, maxAnswers: 256 }
  const asked = { totalAnswers: 4, maxAnswerTokens: 32_000 }
  t.equal(outputReserved(asked, 512, { ...options, reserveOutput: 'max_tokens' }), 4_000)
  t.equal(outputReserved(asked, 512, { ...options, reserveOutput: 'p90' }), 2_048)
  t.equal(outputReserved({ totalAnswers: 4, maxAnswerTokens: 5 }, 512, { ...options, reserveOutput: 'p90' }), 20)
  t.equal(outputReserved(asked, 512, { ...options, reserveOutput: 'none' }), 0)
  t.equal(
    outputReserved({ totalAnswers: 1, maxAnswerTokens: null }, 512, { ...options, reserveOutput: 'max_tokens' }),
    1_000
  )
  const absurd = { totalAnswers: 1e12, maxAnswerTokens: 1e12 }
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
