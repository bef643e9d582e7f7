import t from 'tap'
import { createEndpoints } from '../../src/inspect/endpoints.ts'

const endpoints = createEndpoints({
  engines: ['vllm'],
  routes: [
    { method: 'POST', path: '/v1/fine_tuning/jobs', scope: 'task:fine-tune:limited', pool: 'tuner' },
    { method: 'GET', path: '/v1/fine_tuning/jobs', scope: 'task:fine-tune:limited', pool: null }
  ]
})
const find = (method: string, url: string) => endpoints.find(method, url).endpoint
const ROUTE = { code: 'TOLLGATE_INSPECT_ROUTE' }

t.test('the shared routes are found by their exact method and path', async t => {
  t.match(find('POST', '/v1/chat/completions'), { operation: 'chat', path: '/v1/chat/completions', kind: 'text' })
  t.match(find('POST', '/v1/completions'), { operation: 'completions', model: 'body' })
  t.match(find('POST', '/v1/embeddings'), { operation: 'embeddings' })
  t.match(find('POST', '/v1/audio/transcriptions'), { operation: 'transcription', kind: 'multimodal', model: 'form' })
  t.match(find('GET', '/v1/models'), { operation: 'models', kind: 'none', model: 'none' })
})

t.test('P0-7, P6: every trick with a path is a path that is not served', async t => {
  const tricks = [
    '/v1/chat%2fcompletions',
    '/v1/chat%2Fcompletions',
    '/v1/%63hat/completions',
    '/v1/chat%5ccompletions',
    '/v1/chat\\completions',
    '/v1/chat/completions%00',
    '/v1/chat/completions;x=1',
    '/v1/chat/completions%3b',
    '/v1/chat/completions%25',
    '/v1/chat/completions%3f',
    '/v1/chat/completions%23',
    '/v1/chat/completions#x',
    '/v1//chat/completions',
    '//v1/chat/completions',
    '/v1/./chat/completions',
    '/v1/x/../chat/completions',
    '/v1/chat/completions/',
    '/v1/chat/completions/.',
    '/V1/chat/completions',
    '/v1/chat/Completions',
    'http://evil/v1/chat/completions',
    'https://evil/v1/chat/completions',
    '*',
    'evil:443',
    '',
    '/',
    'v1/chat/completions',
    '/v1/chat/completions ',
    '/../v1/chat/completions',
    '/v1/chat/..%2fcompletions',
    '/v1/chat\u00e9/completions'
  ]
  for (const url of tricks) t.throws(() => endpoints.find('POST', url), ROUTE, url)
})

t.test('P0-11: administration routes lead nowhere, and the log says what they are and of which engine', async t => {
  for (const [method, path, reason] of [
    ['POST', '/invocations', 'a second door to every call, with a model of its own in a header of vllm'],
    ['GET', '/metrics', 'asked of vllm by the gate alone'],
    ['GET', '/metrics/anything', 'asked of vllm by the gate alone'],
    ['GET', '/docs', 'a description of the engine of vllm'],
    ['POST', '/v1/load_lora_adapter', 'an administration route of vllm'],
    ['DELETE', '/adapters/x', 'an administration route of vllm'],
    ['POST', '/collective_rpc', 'an administration route of vllm'],
    ['GET', '/server_info', 'a description of the engine of vllm'],
    ['GET', '/flush_cache', 'an administration route of sglang'],
    ['GET', '/terminate', 'an administration route of lmdeploy'],
    ['POST', '/infer/', 'generation without a model, a key or a bound of swift'],
    ['GET', '/v1/responses/resp_1', 'a store of answers without owners of vllm']
  ] as const) {
    t.throws(() => endpoints.find(method, path), { code: 'TOLLGATE_INSPECT_ADMIN', detail: { reason } }, path)
  }
})

t.test('what an operator may open is told apart from what is never served, and from what no pool runs', async t => {
  t.throws(() => endpoints.find('GET', '/v1/realtime'), {
    code: 'TOLLGATE_INSPECT_CLOSED',
    detail: { reason: 'realtime speech of vllm, not opened' }
  })
  t.throws(() => endpoints.find('POST', '/generate'), { code: 'TOLLGATE_INSPECT_CLOSED' })
  const { code, reason } = { code: 'TOLLGATE_INSPECT_ROUTE', reason: 'served by sglang, which no pool runs' }
  t.throws(() => endpoints.find('POST', '/v1/classify'), { code, detail: { reason } })
})

t.test('of a route that the operator opened is known what the table of its engine knows', async t => {
  const routes = [{ method: 'POST', path: '/generate', scope: 'native', pool: null }]
  const { endpoint } = createEndpoints({ engines: ['sglang'], routes }).find('POST', '/generate')
  t.match(endpoint, { operation: 'generate', kind: 'text', scope: 'native', model: 'optional' })
})

t.test('several engines serve together what each of them serves', async t => {
  const both = createEndpoints({ engines: ['lmdeploy', 'sglang'], routes: [] })
  t.match(both.find('POST', '/v1/encode').endpoint, { operation: 'tokenize' })
  t.match(both.find('POST', '/v1/classify').endpoint, { operation: 'classify' })
  t.throws(() => both.find('POST', '/classify'), { code: 'TOLLGATE_INSPECT_CLOSED' })
})

t.test('a model is asked for by its name, slashes escaped or not; anything else behind it is no route', async t => {
  for (const [path, urlModel] of [
    ['/v1/models/qwen', 'qwen'],
    ['/v1/models/org/qwen', 'org/qwen'],
    ['/v1/models/org%2Fqwen', 'org/qwen']
  ] as const) {
    t.match(endpoints.find('GET', path), { endpoint: { operation: 'model', model: 'path' }, urlModel })
  }
  for (const path of ['/v1/models/', '/v1/models/%', '/v1/models/a%00b', '/v1/models/a%0ab', '/v1/models/%20']) {
    t.throws(() => endpoints.find('GET', path), { code: /TOLLGATE_INSPECT_(ROUTE|ADMIN)/ }, path)
  }
  t.throws(() => endpoints.find('GET', '/v1/models/qwen?x'), { code: /TOLLGATE_INSPECT_(ROUTE|ADMIN)/ })
  t.throws(() => endpoints.find('DELETE', '/v1/models/qwen'), ROUTE)
})

t.test('a known path with another method says which one it takes', async t => {
  t.throws(() => endpoints.find('GET', '/v1/chat/completions'), {
    code: 'TOLLGATE_INSPECT_METHOD',
    detail: { allow: 'POST' }
  })
  t.throws(() => endpoints.find('PUT', '/v1/fine_tuning/jobs'), {
    code: 'TOLLGATE_INSPECT_METHOD',
    detail: { allow: 'POST, GET' }
  })
})

t.test('a query string belongs to no route', async t => {
  t.throws(() => endpoints.find('POST', '/v1/chat/completions?access_token=x'), { code: 'TOLLGATE_INSPECT_QUERY' })
  t.throws(() => endpoints.find('GET', '/v1/models?'), { code: 'TOLLGATE_INSPECT_QUERY' })
})

t.test('a route that the operator opened has its own scope and pool', async t => {
  t.match(find('POST', '/v1/fine_tuning/jobs'), {
    scope: 'task:fine-tune:limited',
    pool: 'tuner',
    model: 'optional',
    kind: 'none'
  })
  t.match(find('GET', '/v1/fine_tuning/jobs'), { model: 'none', pool: null })
})

t.test("names of JavaScript's own are no methods and no paths", async t => {
  t.throws(() => endpoints.find('__proto__', '/v1/models'), { code: 'TOLLGATE_INSPECT_METHOD' })
  t.throws(() => endpoints.find('GET', 'constructor'), ROUTE)
})

t.test('a route that stands twice does not take the place of the first', async t => {
  const shared = { method: 'POST', path: '/v1/chat/completions', scope: 'task:x', pool: null }
  t.throws(() => createEndpoints({ engines: ['vllm'], routes: [shared] }), TypeError)
  const own = { ...shared, path: '/jobs' }
  t.throws(() => createEndpoints({ engines: ['vllm'], routes: [own, { ...own, scope: 'task:y' }] }), TypeError)
  t.doesNotThrow(() => createEndpoints({ engines: ['vllm'], routes: [own, { ...own, method: 'GET' }] }))
})
