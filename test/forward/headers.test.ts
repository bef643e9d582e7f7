import t from 'tap'
import { isEventStream, requestHeaders, responseHeaders } from '../../src/forward/headers.ts'

function sent(
  caller: Record<string, string>,
  apiKey: string | null = null,
  path = '/v1/chat/completions'
): Record<string, string> {
  const flat = requestHeaders({ caller, requestId: 'r-1', path, contentType: 'application/json', apiKey })
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])))
}

t.test("P3: the caller's token stays here; the pool's key goes", async t => {
  t.equal(sent({ authorization: 'Bearer caller' }).authorization, undefined)
  t.equal(sent({ authorization: 'Bearer caller' }, 'pool-key').authorization, 'Bearer pool-key')
  t.notOk('x-api-key' in sent({ 'x-api-key': 'caller' }, 'pool-key'))
})

t.test("the version of Anthropic's API goes where it is spoken, and is given where the caller left it out", async t => {
  t.equal(sent({ 'anthropic-version': '2023-06-01' })['anthropic-version'], undefined)
  t.equal(sent({ 'anthropic-version': '2024-01-02' }, null, '/v1/messages')['anthropic-version'], '2024-01-02')
  for (const caller of [{}, { 'anthropic-version': 'x\r\ny' }]) {
    t.equal(sent(caller, null, '/v1/messages/count_tokens')['anthropic-version'], '2023-06-01')
  }
})

t.test('P1, P0-3: nothing that engines, proxies or frameworks obey crosses', async t => {
  const hostile = {
    cookie: 'a=b',
    expect: '100-continue',
    te: 'trailers',
    trailer: 'x',
    upgrade: 'h2c',
    connection: 'x-request-id',
    'keep-alive': 'timeout=5',
    'proxy-authorization': 'x',
    'x-forwarded-for': '1.2.3.4',
    'x-vllm-priority': '0',
    'x-data-parallel-rank': '1',
    'x-amzn-sagemaker-adapter-identifier': 'other',
    'x-override-rid': '1',
    'x-body-compressed': 'zstd',
    'x-request-id': 'mine',
    'accept-encoding': 'gzip',
    host: 'evil'
  }
  t.strictSame(sent(hostile), {
    accept: '*/*',
    'accept-encoding': 'identity',
    'x-request-id': 'r-1',
    'content-type': 'application/json'
  })
})

t.test('accept and a well-formed traceparent cross', async t => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  t.match(sent({ accept: 'text/event-stream', traceparent }), { accept: 'text/event-stream', traceparent })
  for (const wrong of [
    'junk',
    `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
    `00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`,
    `00-${'A'.repeat(32)}-${'b'.repeat(16)}-01`,
    `${traceparent}-more`,
    `${traceparent}, ${traceparent}`
  ]) {
    t.notOk('traceparent' in sent({ traceparent: wrong }), wrong)
  }
  t.equal(sent({ accept: 'a\u0100' }).accept, '*/*')
})

t.test('P5, P0-6: of an answer only the listed headers cross', async t => {
  const passed = responseHeaders({
    'content-type': 'application/json',
    'content-length': '12',
    'openai-processing-ms': '5',
    'retry-after': '3',
    server: 'uvicorn',
    'set-cookie': ['a=b'],
    connection: 'close, x-secret',
    'x-secret': '1',
    'keep-alive': 'timeout=5',
    trailer: 'x',
    location: 'http://10.0.0.1/',
    'www-authenticate': 'Basic'
  })
  t.strictSame(
    { ...passed },
    {
      'content-type': 'application/json',
      'content-length': '12',
      'openai-processing-ms': '5',
      'retry-after': '3',
      'cache-control': 'no-store'
    }
  )
})

t.test('an event stream is marked so that a proxy before us does not hold it back', async t => {
  const engine = { 'content-type': 'text/event-stream; charset=utf-8', 'transfer-encoding': 'chunked' }
  t.ok(isEventStream(engine))
  t.match(responseHeaders(engine), { 'x-accel-buffering': 'no', 'cache-control': 'no-store' })
  t.notOk('content-length' in responseHeaders({ ...engine, 'content-length': '5' }))
})
