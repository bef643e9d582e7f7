import t from 'tap'
import { readCall } from '../../src/inspect/call.ts'
import { createEndpoints } from '../../src/inspect/endpoints.ts'

const endpoints = createEndpoints({
  engines: ['vllm'],
  routes: [{ method: 'POST', path: '/jobs', scope: 'task:x', pool: 'p' }]
})
const none = new Map<string, string>()
const chat = endpoints.find('POST', '/v1/chat/completions')
const read = (text: string | Buffer, aliases: [string, string][] = []) =>
  readCall(chat, Buffer.from(text as string), new Map(aliases)).call
const FIELD = { code: 'TOLLGATE_INSPECT_FIELD' }

t.test('model and stream are read, and the bytes go on as they came', async t => {
  const text = '{"model" : "m", "stream":true ,"seed":9223372036854775807,"messages":[]}'
  const { call, content } = readCall(chat, Buffer.from(text), none)
  t.match(call, { operation: 'chat', model: 'm', modelAsked: 'm', isStream: true, kind: 'text' })
  t.equal(content?.bytes.toString(), text)
  t.strictSame([...(content?.members.keys() ?? [])], ['model', 'stream', 'seed', 'messages'])
})

t.test('P9: an alias is a name of the model that it stands for', async t => {
  t.match(read('{"model":"a","messages":[]}', [['a', 'the/real:model']]), { model: 'the/real:model', modelAsked: 'a' })
})

t.test('numbers that no reader can hold are refused with the field that they stand in', async t => {
  for (const text of ['{"model":"m","seed":1e400}', '{"model":"m","x":{"y":[1,{"z":-1e999}]}}']) {
    t.throws(() => read(text), { ...FIELD, detail: { param: /seed|x/ } }, text)
  }
  t.doesNotThrow(() => read('{"model":"m","seed":9223372036854775807,"messages":[]}'))
})

t.test('P8: a model must be named: engines would choose one by themselves', async t => {
  for (const text of [
    '{}',
    '{"model":null}',
    '{"model":1}',
    '{"model":""}',
    '{"model":" m"}',
    '{"model":"m\\n"}',
    `{"model":"${'m'.repeat(257)}"}`,
    '{"model":["m"]}'
  ]) {
    t.throws(() => read(text), { ...FIELD, detail: { param: 'model' } }, text.slice(0, 30))
  }
})

t.test('stream is true, false or left out', async t => {
  t.equal(read('{"model":"m","stream":null}').isStream, false)
  for (const stream of ['"true"', '1', '[]'])
    t.throws(() => read(`{"model":"m","stream":${stream}}`), { ...FIELD, detail: { param: 'stream' } })
})

t.test('P7: what is no JSON object in UTF-8 is refused', async t => {
  const bad = ['', 'null', '[]', '"x"', '{', '{"a":NaN}', '\ufeff{"model":"m"}', "{'model':'m'}", '{"model":"m"}x']
  for (const text of bad) t.throws(() => read(text), { code: 'TOLLGATE_INSPECT_JSON' }, text)
  t.throws(() => read(Buffer.from('{"model":"m"}', 'utf16le')), { code: 'TOLLGATE_INSPECT_JSON' })
  t.throws(() => read(Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])), { code: 'TOLLGATE_INSPECT_JSON' })
})

t.test("names of JavaScript's own in a body are names like any other", async t => {
  t.equal(read('{"model":"m","__proto__":{"stream":true},"constructor":1,"messages":[]}').isStream, false)
  t.throws(() => read('{"__proto__":{"model":"m"}}'), FIELD)
})

t.test("a route of the operator's may have a model, and has its own scope and pool", async t => {
  const jobs = endpoints.find('POST', '/jobs')
  t.match(readCall(jobs, Buffer.from('{}'), none).call, {
    model: null,
    routeScope: 'task:x',
    routePool: 'p',
    kind: 'none'
  })
  t.match(readCall(jobs, Buffer.from('{"model":"m"}'), none).call, { model: 'm' })
})

t.test('a call without a body has none', async t => {
  t.match(readCall(endpoints.find('GET', '/v1/models'), null, none), {
    call: { operation: 'models', model: null },
    content: null
  })
})

t.test('a body of brackets alone is refused by the scan, before it can fill the memory of the parser', async t => {
  t.throws(() => read('['.repeat(100_000)), { code: 'TOLLGATE_INSPECT_JSON', cause: undefined })
  t.throws(() => read(`{"a":${'['.repeat(100_000)}`), { code: 'TOLLGATE_INSPECT_DEPTH' })
})
