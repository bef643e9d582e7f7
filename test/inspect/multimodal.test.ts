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
