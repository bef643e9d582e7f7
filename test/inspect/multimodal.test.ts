import fc from 'fast-check'
import t from 'tap'
import { isTextOnly } from '../../src/inspect/multimodal.ts'

const chat = (content: unknown, more: object = {}) =>
  isTextOnly('chat', { messages: [{ role: 'user', content }], ...more })

t.test('P10: texts and lists of text parts are text', async t => {
  t.ok(chat('hello'))
  t.ok(chat(null))
  t.ok(chat([{ type: 'text', text: 'a' }, 'b', { type: 'refusal', refusal: 'c' }]))
  t.ok(
    isTextOnly('chat', {
      messages: [
        { role: 'assistant', tool_calls: [{ id: '1' }] },
        { role: 'tool', tool_call_id: '1', content: 'x' }
      ]
    })
  )
})

t.test('P10: a picture under any name is no text, whatever `type` says', async t => {
  const parts = [
    { type: 'image_url', image_url: { url: 'data:' } },
    { type: 'text', text: 'x', image_url: 'data:' },
    { type: 'text', uuid: 'x', image_url: 'data:' },
    { image_url: 'data:' },
    { type: 'input_audio', input_audio: {} },
    { type: 'video_url', video_url: {} },
    { type: 'time_series', text: 'x' },
    { type: 'text', text: 'x', new_in_the_next_release: 1 },
    { text: 'no type' },
    7,
    null
  ]
  for (const part of parts) t.notOk(chat([part]), JSON.stringify(part))
})

t.test('P10: media beside the messages, or in a message, are no text', async t => {
  for (const name of ['images', 'audios', 'videos', 'image_data', 'prompt_embeds', 'multi_modal_data']) {
    t.notOk(chat('hello', { [name]: ['x'] }), name)
  }
  t.notOk(isTextOnly('chat', { messages: [{ role: 'assistant', audio: { id: 'x' } }] }))
  t.notOk(isTextOnly('chat', { messages: ['x'] }))
  t.notOk(isTextOnly('chat', {}))
})

t.test('P10: prompts and inputs are text when they are texts or token ids', async t => {
  for (const input of ['a', ['a', 'b'], [1, 2], [[1], [2, 3]], []]) {
    t.ok(isTextOnly('completions', { prompt: input }))
    t.ok(isTextOnly('embeddings', { input }))
  }
  for (const input of [undefined, {}, [{ image: 'x' }], [['a']], 1, null]) {
    t.notOk(isTextOnly('completions', { prompt: input }))
    t.notOk(isTextOnly('embeddings', { input }))
  }
  t.notOk(isTextOnly('embeddings', { input: 'a', messages: [] }))
  t.notOk(isTextOnly('something new', { input: 'a' }))
})

t.test('P10: a member that holds a text holds no list in which parts could hide', async t => {
  const hidden = [{ type: 'image_url', image_url: 'data:' }]
  for (const name of ['text', 'thinking', 'refusal']) t.notOk(chat([{ type: 'text', [name]: hidden }]), name)
  for (const name of ['reasoning', 'reasoning_content', 'refusal', 'thinking', 'name']) {
    t.notOk(isTextOnly('chat', { messages: [{ role: 'assistant', content: 'x', [name]: hidden }] }), name)
    t.ok(isTextOnly('chat', { messages: [{ role: 'assistant', content: 'x', [name]: null }] }), name)
  }
  t.notOk(isTextOnly('completions', { prompt: 'a', messages: hidden }))
})

t.test('P10: one strange member is enough to make any chat more than text', async t => {
  const known = ['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'function_call', 'annotations', 'tools']
  const more = ['refusal', 'reasoning', 'reasoning_content', 'thinking', 'prefix', 'partial']
  const strange = fc.string({ minLength: 1 }).filter(name => ![...known, ...more].includes(name))
  fc.assert(
    fc.property(strange, fc.jsonValue(), (name, value) => {
      const message = JSON.parse(`{"role":"user","content":"x",${JSON.stringify(name)}:${JSON.stringify(value)}}`)
      return !isTextOnly('chat', { messages: [{ role: 'user', content: 'y' }, message] })
    })
  )
  t.pass()
})

t.test('P10: every operation is text by the members that it works on, and by no others', async t => {
  const text = { role: 'user', content: 'hello' }
  const picture = { role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'http://x' } }] }
  for (const [operation, body] of [
    ['responses', { input: 'hello', instructions: 'be brief' }],
    ['responses', { input: [text, { type: 'function_call_output', call_id: 'c', output: 'x' }] }],
    ['messages', { system: [{ type: 'text', text: 'be brief' }], messages: [text] }],
    ['count_tokens', { messages: [text] }],
    ['rerank', { query: 'q', documents: ['a', { text: 'b' }] }],
    ['score', { text_1: 'a', text_2: ['b', 'c'] }],
    ['score', { queries: ['a'], documents: ['b'] }],
    ['classify', { input: ['a'] }],
    ['pooling', { input: [1, 2] }],
    ['embed', { texts: ['a'] }],
    ['tokenize', { prompt: 'a' }],
    ['tokenize', { messages: [text] }],
    ['detokenize', { tokens: [1, 2] }],
    ['generate', { text: 'a' }],
    ['generate', { input_ids: [1] }]
  ] as const)
    t.ok(isTextOnly(operation, body), `${operation} ${JSON.stringify(body)}`)
  for (const [operation, body] of [
    ['responses', { input: [{ type: 'message', role: 'user', content: [{ type: 'input_image' }] }] }],
    ['responses', { input: 'hello', prompt: { id: 'p' } }],
    ['responses', { input: 'hello', messages: [picture] }],
    ['messages', { messages: [picture] }],
    ['messages', { system: [{ type: 'image' }], messages: [] }],
    ['count_tokens', { messages: [picture] }],
    ['rerank', { query: 'q', documents: [{ image: 'x' }] }],
    ['rerank', { query: { image: 'x' }, documents: [] }],
    ['score', { data_1: [{ type: 'image_url' }], data_2: 'x' }],
    ['classify', { messages: [text] }],
    ['pooling', { input: 'a', messages: [picture] }],
    ['embed', { texts: ['a'], images: ['x'] }],
    ['embed', { texts: ['a'], inputs: [{ content: [] }] }],
    ['tokenize', { messages: [picture] }],
    ['generate', { text: 'a', image_data: 'x' }],
    ['generate', { text: { image: 1 } }]
  ] as const)
    t.notOk(isTextOnly(operation, body), `${operation} ${JSON.stringify(body)}`)
})

t.test(
  'media in what engines take no notice of today are media: predictions, documents of a chat, annotations',
  async t => {
    const picture = { type: 'image_url', image_url: { url: 'data:,' } }
    t.notOk(chat('hello', { prediction: { type: 'content', content: [picture] } }))
    t.notOk(chat('hello', { prediction: picture }))
    t.notOk(chat('hello', { documents: [{ title: 'a', pages: [{ image: 'x.png' }] }] }))
    t.notOk(isTextOnly('chat', { messages: [{ role: 'assistant', content: 'x', annotations: [picture] }] }))
    t.notOk(chat([{ type: 'text', text: 'x', annotations: [{ a: { b: [picture] } }] }]))
    t.notOk(chat([{ type: 'text', text: 'x', citations: [{ input_audio: {} }] }]))
    t.notOk(chat([{ type: 'text', text: 'x', cache_control: { type: 'ephemeral', image: 'x.png' } }]))
    t.notOk(isTextOnly('chat', { messages: [{ role: 'assistant', content: 'x', prefix: { images: [] } }] }))
  }
)

t.test(
  'what honest callers write there is text: predicted code, documents with their source, links of an answer',
  async t => {
    t.ok(chat('hello', { prediction: { type: 'content', content: 'code' }, documents: null }))
    t.ok(chat('hello', { prediction: { type: 'content', content: [{ type: 'text', text: 'code' }] } }))
    t.ok(chat('hello', { documents: [{ title: 'a', text: 'b', url: 'https://x/y', source: 'z' }] }))
    const link = { type: 'url_citation', url_citation: { url: 'https://x/y', title: 't', start_index: 1 } }
    t.ok(isTextOnly('chat', { messages: [{ role: 'assistant', content: 'x', annotations: [link] }] }))
  }
)
