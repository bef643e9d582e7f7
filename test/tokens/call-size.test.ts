import fc from 'fast-check'
import t from 'tap'
import { callSize } from '../../src/tokens/call-size.ts'

t.test('all text of a prompt counts, whatever the operation calls it', async t => {
  const text = 'x'.repeat(1_000)
  const bodies: [string, object][] = [
    ['chat', { messages: [{ role: 'user', content: text }] }],
    ['chat', { messages: [{ role: 'user', content: [{ type: 'text', text }] }] }],
    ['chat', { messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: text } }] }] }],
    ['chat', { messages: [], tools: [{ type: 'function', function: { name: 'f', parameters: { a: text } } }] }],
    ['completions', { prompt: text }],
    ['completions', { prompt: [text] }],
    ['responses', { input: text }],
    ['responses', { instructions: text, input: [] }],
    ['responses', { input: [{ type: 'function_call_output', output: text }] }],
    ['messages', { system: [{ type: 'text', text }], messages: [] }],
    ['messages', { messages: [{ role: 'user', content: [{ type: 'tool_result', content: text }] }] }],
    ['messages', { messages: [{ role: 'assistant', content: [{ type: 'tool_use', input: { q: text } }] }] }],
    ['generate', { text }],
    ['embeddings', { input: [text] }],
    ['embed', { texts: [text] }],
    ['rerank', { query: 'q', documents: [text] }],
    ['score', { text_1: 'a', text_2: [text] }],
    ['/own/route', { input: text }]
  ]
  for (const [operation, body] of bodies) {
    const { textBytes } = callSize(operation, body as Record<string, unknown>)
    t.ok(textBytes >= 1_000 && textBytes < 1_150, `${operation} ${JSON.stringify(body).slice(0, 60)}: ${textBytes}`)
  }
})

t.test('media, parameters and members that no template writes are no text', async t => {
  const url = `data:image/png;base64,${'A'.repeat(100_000)}`
  const size = callSize('chat', {
    messages: [
      { role: 'user', content: [{ type: 'image_url', image_url: { url } }, { text: 'what is it' }], junk: url },
      { role: 'user', content: [{ type: 'input_audio', input_audio: { data: url } }] }
    ],
    metadata: { a: url },
    user: url
  })
  t.equal(size.media, 2)
  t.ok(size.textBytes < 150, `${size.textBytes}`)
  t.equal(callSize('chat', { messages: [], images: ['a', 'b', 'c'] }).media, 3)
})

t.test('ids in the place of text are tokens, and a size says how many answers there are', async t => {
  t.match(callSize('completions', { prompt: [1, 2, 3] }), { ids: 3, prompts: 1, textBytes: 0 })
  t.match(callSize('completions', { prompt: [[1, 2], [3]] }), { ids: 3, prompts: 2 })
  t.match(callSize('completions', { prompt: ['a', 'b'], n: 3, best_of: 5, max_tokens: 7 }), {
    prompts: 2,
    answers: 5,
    totalAnswers: 10,
    maxAnswerTokens: 7
  })
  t.match(callSize('generate', { text: ['a', 'b'], sampling_params: [{ max_new_tokens: 9, n: 2 }, { n: 1 }] }), {
    prompts: 2,
    answers: 2,
    totalAnswers: 3
  })
})

t.test('any body has a size, and no number of it is below nothing', async () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom('chat', 'completions', 'responses', 'messages', 'score'),
      (value, op) => {
        const size = callSize(op, {
          messages: value,
          prompt: value,
          input: value,
          tools: value,
          n: value,
          text_1: value
        })
        return (
          size.textBytes >= 0 &&
          size.ids >= 0 &&
          size.media >= 0 &&
          size.prompts >= 1 &&
          size.answers >= 1 &&
          size.totalAnswers >= size.prompts &&
          size.textBytes < 1e6
        )
      }
    )
  )
})
