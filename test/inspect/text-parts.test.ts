import t from 'tap'
import { isTextContent, isTextDocument, isTextInput, isTextItem, isTextMessage } from '../../src/inspect/text-parts.ts'

t.test('a message is text by its members, whatever its type says', async t => {
  for (const message of [
    { role: 'user', content: 'hi' },
    { role: 'user', content: [{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }] },
    { role: 'assistant', content: null, tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{}' } }] },
    { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: { image_url: 'x' } }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'ok' }] }] },
    { role: 'assistant', content: [{ type: 'thinking', thinking: 'hm', signature: 's' }] },
    { role: 'assistant', content: [{ type: 'redacted_thinking', data: 'x' }] }
  ])
    t.ok(isTextMessage(message), JSON.stringify(message))
  for (const message of [
    { role: 'user', content: [{ type: 'text', text: 'hi', image_url: 'http://x' }] },
    { role: 'user', content: [{ text: 'hi' }] },
    { role: 'user', content: [{ type: 'text', text: 'hi', uuid: 'u' }] },
    { role: 'user', content: [{ type: 'image', source: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: {} }] }] },
    { role: 'user', content: [{ type: 'text', text: [{ type: 'image_url' }] }] },
    { role: 'user', content: { type: 'text', text: 'hi' } },
    { role: 'assistant', audio: { id: 'a' } },
    'hi',
    null
  ])
    t.notOk(isTextMessage(message), JSON.stringify(message))
})

t.test('items of the Responses API are text when they are known to be', async t => {
  for (const item of [
    'hi',
    { role: 'user', content: 'hi' },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hi' }] },
    { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: 'c', output: 'ok' },
    { type: 'reasoning', id: 'r', summary: [{ type: 'summary_text', text: 's' }] }
  ])
    t.ok(isTextItem(item), JSON.stringify(item))
  for (const item of [
    { type: 'message', role: 'user', content: [{ type: 'input_image', image_url: 'data:' }] },
    { type: 'message', role: 'user', content: [{ type: 'input_file', file_id: 'f' }] },
    { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_image', image_url: 'data:' }] },
    { type: 'item_reference', id: 'x' },
    { type: 'computer_call_output', output: {} },
    7
  ])
    t.notOk(isTextItem(item), JSON.stringify(item))
})

t.test('inputs are texts, tokens, or lists of them; documents are texts with a title at most', async t => {
  for (const input of ['a', ['a', 'b'], [1, 2], [[1], [2]], []]) t.ok(isTextInput(input))
  for (const input of [undefined, null, {}, [{}], [['a']], [null]]) t.notOk(isTextInput(input))
  for (const document of ['a', { text: 'a' }, { title: 't', text: 'a' }]) t.ok(isTextDocument(document))
  for (const document of [{ image: 'a' }, { text: { image: 1 } }, [], null]) t.notOk(isTextDocument(document))
  t.ok(isTextContent(undefined))
})
