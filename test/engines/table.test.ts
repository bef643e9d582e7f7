import t from 'tap'
import { OPERATIONS } from '../../src/engines/operations.ts'
import { ENGINES, type Engine, isGuarded, rowsOf, verdictOf } from '../../src/engines/table.ts'

t.test('a route stands once in the table of an engine', async t => {
  for (const engine of ENGINES) {
    const routes = rowsOf(engine).map(({ route }) => route)
    t.strictSame(
      routes.filter((route, i) => routes.indexOf(route) !== i),
      [],
      engine
    )
  }
})

t.test('every row is found by its own method and path, and says what its table says', async t => {
  for (const engine of ENGINES) {
    for (const { route, verdict } of rowsOf(engine)) {
      const [method = '', path = ''] = route.split(' ')
      t.match(path, /^\/[A-Za-z0-9._{}*/-]*$/, route)
      const concrete = path.replace(/\{\w+\}/, 'one').replace('*', '')
      t.strictSame(verdictOf(engine, method, concrete), verdict, `${engine} ${route}`)
    }
  }
})

t.test('what is served has a constant path, so that the engine sees no byte of the caller', async t => {
  for (const engine of ENGINES) {
    for (const { route, verdict } of rowsOf(engine)) {
      if (verdict.is === 'served') t.match(route, /^POST (\/[A-Za-z0-9._-]+)+$/)
    }
  }
})

t.test('what is not in a table is not known, whatever the method', async t => {
  for (const engine of ENGINES) {
    for (const path of ['/v1/unheard_of', '/v1/chat/completions/', '/V1/chat/completions', '//', '/v1', '']) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'HEAD']) t.equal(verdictOf(engine, method, path), null)
    }
    t.equal(verdictOf(engine, 'PUT', '/v1/chat/completions'), null)
  }
})

t.test('a pattern stands for one segment, and its dots for dots', async t => {
  t.match(verdictOf('vllm', 'GET', '/v1/responses/resp_1'), { is: 'never' })
  t.equal(verdictOf('vllm', 'GET', '/v1/responses/resp_1/input_items'), null)
  t.match(verdictOf('vllm', 'GET', '/openapi.json'), { is: 'never' })
  t.equal(verdictOf('vllm', 'GET', '/openapiXjson'), null)
})

t.test('nothing that loads weights, runs code or ends an engine can be opened', async t => {
  const dangerous = /weight|lora|terminate|abort|sleep|pause|collective|flush|session|invocations|server_info|profile/
  for (const engine of ENGINES) {
    for (const { route, verdict } of rowsOf(engine)) {
      if (dangerous.test(route)) t.equal(verdict.is, 'never', `${engine} ${route}`)
    }
  }
})

t.test('every operation that a table names is one of the gate', async t => {
  for (const engine of ENGINES) {
    for (const { verdict } of rowsOf(engine)) {
      if (verdict.is === 'served') t.ok(Object.hasOwn(OPERATIONS, verdict.operation))
    }
  }
})

t.test('what an engine leaves open beside its key is known, path by path', async t => {
  const open: [Engine, string][] = [
    ['vllm', '/invocations'],
    ['vllm', '/scale_elastic_ep'],
    ['vllm', '/tokenize'],
    ['sglang', '/health_generate'],
    ['lmdeploy', '/docs'],
    ['swift', '/infer/'],
    ['swift', '/v1/models']
  ]
  for (const [engine, path] of open) t.equal(isGuarded(engine, path), false, `${engine} ${path}`)
  const guarded: [Engine, string][] = [
    ['vllm', '/v1/load_lora_adapter'],
    ['vllm', '/inference/v1/generate'],
    ['sglang', '/flush_cache'],
    ['lmdeploy', '/terminate'],
    ['swift', '/v1/chat/completions']
  ]
  for (const [engine, path] of guarded) t.equal(isGuarded(engine, path), true, `${engine} ${path}`)
  t.equal(isGuarded('openai', '/v1/chat/completions'), null)
})
