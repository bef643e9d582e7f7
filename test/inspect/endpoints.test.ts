import t from 'tap'
import { createEndpoints } from '../../src/inspect/endpoints.ts'

const endpoints = createEndpoints({
  routes: [
    { method: 'POST', path: '/v1/fine_tuning/jobs', scope: 'task:fine-tune:limited', pool: 'tuner' },
    { method: 'GET', path: '/v1/fine_tuning/jobs', scope: 'task:fine-tune:limited', pool: null }
  ]
})
const ROUTE = { code: 'TOLLGATE_INSPECT_ROUTE' }

t.test('the shared routes are found by their exact method and path', async t => {
  t.match(endpoints.find('POST', '/v1/chat/completions'), {
    operation: 'chat',
    path: '/v1/chat/completions',
    kind: 'text'
  })
  t.match(endpoints.find('POST', '/v1/completions'), { operation: 'completions' })
  t.match(endpoints.find('POST', '/v1/embeddings'), { operation: 'embeddings' })
  t.match(endpoints.find('GET', '/v1/models'), { operation: 'models', kind: 'none', body: 'none' })
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

t.test('P0-11: administration routes of the engines lead nowhere', async t => {
  for (const path of [
    '/invocations',
    '/metrics',
    '/docs',
    '/openapi.json',
    '/v1/load_lora_adapter',
    '/collective_rpc',
    '/generate',
    '/server_info'
  ]) {
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) t.throws(() => endpoints.find(method, path), ROUTE)
  }
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
  t.match(endpoints.find('POST', '/v1/fine_tuning/jobs'), {
    scope: 'task:fine-tune:limited',
    pool: 'tuner',
    body: 'optional-model',
    kind: 'none'
  })
  t.match(endpoints.find('GET', '/v1/fine_tuning/jobs'), { body: 'none', pool: null })
})

t.test("names of JavaScript's own are no methods and no paths", async t => {
  t.throws(() => endpoints.find('__proto__', '/v1/models'), { code: 'TOLLGATE_INSPECT_METHOD' })
  t.throws(() => endpoints.find('GET', 'constructor'), ROUTE)
})

t.test('a route that stands twice does not take the place of the first', async t => {
  const shared = { method: 'POST', path: '/v1/chat/completions', scope: 'task:x', pool: null }
  t.throws(() => createEndpoints({ routes: [shared] }), TypeError)
  const own = { ...shared, path: '/jobs' }
  t.throws(() => createEndpoints({ routes: [own, { ...own, scope: 'task:y' }] }), TypeError)
  t.doesNotThrow(() => createEndpoints({ routes: [own, { ...own, method: 'GET' }] }))
})
