import fc from 'fast-check'
import t from 'tap'
import { readCall } from '../../src/inspect/call.ts'
import { createEndpoints } from '../../src/inspect/endpoints.ts'

const endpoints = createEndpoints({
  engines: ['vllm'],
  routes: [{ method: 'POST', path: '/jobs', scope: 'task:x', pool: 'p' }]
})
const chat = endpoints.find('POST', '/v1/chat/completions')
const read = (text: string | Buffer, aliases: [string, string][] = []) =>
  readCall(chat, Buffer.from(text as string), new Map(aliases))
const FIELD = { code: 'TOLLGATE_INSPECT_FIELD' }

t.test('model and stream are read, and the bytes go on as they came', async t => {
  const text = '{"model" : "m", "stream":true ,"seed":9223372036854775807,"messages":[]}'
  const call = read(text)
  t.match(call, { operation: 'chat', model: 'm', modelAsked: 'm', isStream: true, kind: 'text' })
  t.equal(call.body?.toString(), text)
})

t.test('P9: an alias is replaced in place, and no other byte changes', async t => {
  const aliases: [string, string][] = [['a', 'the/real:model']]
  const call = read('{ "x":1.0, "model" :  "a" , "y":"\\"model\\":\\"a\\"" }', aliases)
  t.match(call, { model: 'the/real:model', modelAsked: 'a' })
  t.equal(call.body?.toString(), '{ "x":1.0, "model" :  "the/real:model" , "y":"\\"model\\":\\"a\\"" }')
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string().filter(name => name !== 'model'),
        fc.jsonValue()
      ),
      fc.nat(3),
      (rest, indent) => {
        const before = JSON.stringify({ ...rest, model: 'a', after: rest }, null, indent)
        const after = read(before, aliases).body?.toString() ?? ''
        return after === before.replace(/"model":( ?)"a"(?=,\s*"after":)/, '"model":$1"the/real:model"')
      }
    ),
    { numRuns: 50 }
  )
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
  t.match(readCall(jobs, Buffer.from('{}'), new Map()), {
    model: null,
    routeScope: 'task:x',
    routePool: 'p',
    kind: 'none'
  })
  t.match(readCall(jobs, Buffer.from('{"model":"m"}'), new Map()), { model: 'm' })
})

t.test('a call without a body has none', async t => {
  t.match(readCall(endpoints.find('GET', '/v1/models'), null, new Map()), {
    operation: 'models',
    body: null,
    model: null
  })
})

t.test('a body of brackets alone is refused by the scan, before it can fill the memory of the parser', async t => {
  t.throws(() => read('['.repeat(100_000)), { code: 'TOLLGATE_INSPECT_JSON', cause: undefined })
  t.throws(() => read(`{"a":${'['.repeat(100_000)}`), { code: 'TOLLGATE_INSPECT_DEPTH' })
})
