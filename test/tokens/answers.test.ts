import fc from 'fast-check'
import t from 'tap'
import { answersAsked } from '../../src/tokens/answers.ts'

type Fields = Record<string, unknown>
/** A route that the operator has opened. */
const OPENED = '/own/route'

t.test('answers are prompts times copies, wherever the copies are', async t => {
  const count = (operation: string, fields: Fields) => answersAsked(operation, fields).totalAnswers
  const prompt = Array.from({ length: 64 }, () => 'x')
  for (const operation of ['chat', 'completions', 'responses', 'messages', 'generate', OPENED])
    t.equal(count(operation, {}), 1)
  t.equal(count('chat', { n: 4 }), 4)
  t.equal(count('completions', { n: 2, best_of: 5 }), 5)
  t.equal(count('completions', { prompt, n: 4 }), 256)
  t.equal(count('completions', { prompt, best_of: 4 }), 256)
  t.equal(count('generate', { text: prompt, sampling_params: { n: 4 } }), 256)
  t.equal(count('generate', { text: prompt, sampling_params: { num_return_sequences: 3 } }), 192)
  t.equal(
    count('generate', { text: ['a', 'b'], sampling_params: [{ n: 2 }, { n: 4 }] }),
    6,
    'a set for each prompt has copies of its own'
  )
  t.equal(
    count('generate', { text: ['a', 'b', 'c'], sampling_params: [{ n: 2 }, { n: 4 }] }),
    12,
    'where there is no set for each, the larger one counts'
  )
  t.equal(count('generate', { input_ids: [[1], [2]], n: 2 }), 4)
  t.equal(count('completions', { prompt: [1, 2, 3], n: 2 }), 2)
  t.equal(count('completions', { prompt: [1, 'x', 'y'], n: 2 }), 6)
  t.equal(count('chat', { messages: [[{}], [{}], [{}]], n: 2 }), 6)
  t.equal(count(OPENED, { prompt, n: 2, options: { n: 3 } }), 192)
  for (const n of [0, -1, 2.5, '4', null, true, [4]]) t.equal(count('chat', { n }), 1, JSON.stringify(n))
})

t.test('the length of an answer is the longest that is named, by any name that the operation has', async t => {
  const most = (operation: string, fields: Fields) => answersAsked(operation, fields).maxAnswerTokens
  t.equal(most('chat', {}), null)
  t.equal(most('chat', { max_tokens: 0 }), null, 'engines take it for nothing said')
  t.equal(most('chat', { max_tokens: 5, max_completion_tokens: 7 }), 7)
  t.equal(most('responses', { max_output_tokens: 5 }), 5)
  t.equal(most('messages', { max_tokens: 5 }), 5)
  t.equal(most('generate', { max_tokens: 5 }), 5)
  t.equal(most('generate', { sampling_params: { max_new_tokens: 5 } }), 5)
  t.equal(most('generate', { sampling_params: [{ max_new_tokens: 5 }, { max_new_tokens: 9 }] }), 9)
  t.equal(most(OPENED, { options: { num_predict: 8 } }), 8)
  t.equal(most(OPENED, { max_tokens: 5, options: { num_predict: 8 } }), 8)
  t.equal(most('chat', { n: 4, max_tokens: 5 }), 5, 'of one, not of all')
})

t.test('an answer is bounded by nothing that its engine does not obey', async t => {
  const most = (operation: string, fields: Fields) => answersAsked(operation, fields).maxAnswerTokens
  for (const operation of ['chat', 'completions', 'responses', 'messages']) {
    t.equal(most(operation, { max_new_tokens: 1 }), null, operation)
    t.equal(most(operation, { sampling_params: { max_new_tokens: 1, max_tokens: 1 } }), null, operation)
    t.equal(most(operation, { options: { num_predict: 1 } }), null, operation)
  }
  t.equal(most('chat', { max_output_tokens: 1 }), null)
  t.equal(most('completions', { max_completion_tokens: 1 }), null)
  t.equal(most('responses', { max_tokens: 1 }), null)
  t.equal(most('generate', { sampling_params: [{ max_new_tokens: 1 }, {}] }), null, 'the second answer has no bound')
})

t.test('an answer is not multiplied by what its engine does not obey', async t => {
  const texts = ['a', 'b', 'c']
  t.equal(answersAsked('messages', { n: 4 }).totalAnswers, 1)
  t.equal(answersAsked('responses', { n: 4, prompt: texts }).totalAnswers, 1)
  t.equal(answersAsked('chat', { best_of: 4, num_return_sequences: 4, prompt: texts }).totalAnswers, 1)
  t.equal(answersAsked('chat', { sampling_params: { n: 4 } }).totalAnswers, 1)
})

t.test('any body asks for at least one answer to each prompt', async () => {
  const operations = fc.constantFrom('chat', 'completions', 'responses', 'messages', 'generate', 'embeddings', OPENED)
  const names = ['n', 'best_of', 'prompt', 'text', 'messages', 'max_tokens', 'sampling_params', 'options']
  fc.assert(
    fc.property(operations, fc.dictionary(fc.constantFrom(...names), fc.jsonValue()), (operation, fields) => {
      const { prompts, answers, totalAnswers, maxAnswerTokens } = answersAsked(operation, fields)
      return (
        prompts >= 1 &&
        answers >= 1 &&
        totalAnswers >= prompts &&
        totalAnswers <= prompts * answers &&
        (maxAnswerTokens === null || maxAnswerTokens >= 1)
      )
    })
  )
})
