import t from 'tap'
import { contentBytes } from '../../src/meter/content-bytes.ts'

const count = (text: string) => contentBytes(Buffer.from(text), 0, Buffer.byteLength(text))
const json = (value: unknown) => count(JSON.stringify(value))

t.test('what a model has made is counted, in every dialect, and nothing around it', async t => {
  const chat = (delta: object) =>
    json([{ index: 0, delta: { role: 'assistant', ...delta }, logprobs: null, finish_reason: 'stop' }])
  t.equal(chat({ content: 'Hello' }), 5)
  t.equal(chat({ content: '' }), 0)
  t.equal(chat({ content: null }), 0)
  t.equal(chat({ reasoning_content: 'hm', content: 'yes' }), 5)
  t.equal(chat({ reasoning: 'hm' }), 2)
  t.equal(chat({ refusal: 'no' }), 2)
  t.equal(chat({ tool_calls: [{ id: 'call-1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }] }), 9)
  t.equal(json([{ text: 'abc', finish_reason: null }]), 3)
  t.equal(json({ type: 'response.output_text.delta', item_id: 'i', delta: 'abcd' }), 4)
  t.equal(json({ delta: { type: 'text_delta', text: 'abc' } }), 3)
  t.equal(json({ delta: { type: 'input_json_delta', partial_json: '{}' } }), 2)
  t.equal(json({ delta: { type: 'thinking_delta', thinking: 'so' } }), 2)
})

t.test('bytes are counted as they are written, and probabilities are no text', async t => {
  t.equal(count('{"content" : "ü\\n\\"x"}'), 7)
  t.equal(
    json({ content: 'a', logprobs: { content: [{ token: 'a', bytes: [97], top_logprobs: [{ token: 'b' }] }] } }),
    1
  )
  t.equal(json({ other: '"content":"x"', content: 'ab' }), 2)
})

t.test('what cannot be followed is counted up to there, and nothing is looked at behind the limit', async t => {
  t.equal(count('{"content":"ab"},{"content":"unfinished'), 2)
  t.equal(contentBytes(Buffer.from('{"content":"ab","content":"cd"}'), 0, 15), 2)
  t.equal(count(''), 0)
  t.equal(count('"'), 0)
})
