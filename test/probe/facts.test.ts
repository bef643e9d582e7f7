import t from 'tap'
import type { Reply } from '../../src/probe/ask.ts'
import { concrete, modelsFrom, needsNoKey, recognise, routesFrom, versionFrom } from '../../src/probe/facts.ts'

const said = (body: unknown, more: object = {}): Reply => ({
  ok: true,
  status: 200,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  isCut: false,
  ...more
})

t.test('names and owners are read, each once, and what is no name is left out', async t => {
  const data = [{ id: 'a', owned_by: 'vllm' }, { id: 'b', owned_by: 'vllm' }, { id: 'a' }, { id: 7 }, null, 'x']
  t.strictSame(modelsFrom(said({ data })), { is: 'said', value: { names: ['a', 'b'], owners: ['vllm'] } })
})

t.test('what cannot be read says why', async t => {
  t.strictSame(modelsFrom(said('', { status: 503 })), { is: 'status', status: 503 })
  t.strictSame(modelsFrom(said('{"data":[', { isCut: true })), { is: 'large' })
  for (const body of ['', 'null', '7', '[]', '{}', '{"data":{}}', '[['.repeat(500_000)]) {
    t.strictSame(modelsFrom(said(body)), { is: 'strange' }, body.slice(0, 12))
  }
  t.strictSame(modelsFrom(said({ data: Array.from({ length: 10_001 }, (_, id) => ({ id: `${id}` })) })), {
    is: 'strange'
  })
  t.strictSame(modelsFrom({ ok: false, why: 'late', cause: '5 ms' }), { is: 'failed', why: 'late', cause: '5 ms' })
})

t.test('the routes of a document are its methods, not its other members', async t => {
  const paths = {
    '/a/{x}': { get: {}, post: {}, parameters: [], summary: 'x', 'x-delete': {} },
    'no-slash': { get: {} },
    '/b': null
  }
  t.strictSame(routesFrom(said({ paths })), { is: 'said', value: ['GET /a/{x}', 'POST /a/{x}'] })
  for (const body of [{}, { paths: 7 }, { paths: null }]) t.strictSame(routesFrom(said(body)), { is: 'strange' })
  const many = Object.fromEntries(Array.from({ length: 5_001 }, (_, i) => [`/${i}`, { get: {} }]))
  t.strictSame(routesFrom(said({ paths: many })), { is: 'strange' })
})

t.test('a version is a text or nothing', async t => {
  t.equal(versionFrom(said({ version: '1.2' }), 'version'), '1.2')
  for (const body of [{}, { version: 7 }, 'x']) t.equal(versionFrom(said(body), 'version'), null)
  t.equal(versionFrom(said({ version: '1' }, { status: 404 }), 'version'), null)
})

t.test('an engine is recognised by routes that it alone has, and by its models where those do not tell', async t => {
  t.equal(recognise(['GET /load', 'POST /invocations', 'GET /health'], []), 'vllm')
  t.equal(recognise(['GET /get_model_info', 'POST /v1/chat/completions'], ['vllm']), 'sglang')
  t.equal(recognise(['GET /terminate'], []), 'lmdeploy')
  t.equal(recognise(['POST /infer/'], []), 'swift')
  t.equal(recognise(['GET /health', 'POST /v1/chat/completions'], ['swift']), 'swift')
  t.equal(recognise(['GET /terminate', 'POST /infer/'], []), null, 'as much of one as of another')
  t.equal(recognise(['GET /health'], ['somebody']), null)
  t.equal(recognise([], []), null)
})

t.test('a list of models without a key tells of a key only where the key would guard the list', async t => {
  const vllm = { engine: 'vllm', looksLike: 'vllm' } as const
  t.equal(needsNoKey({ ...vllm, keyless: 200 }), true)
  t.equal(needsNoKey({ ...vllm, keyless: 401 }), false)
  t.equal(needsNoKey({ ...vllm, keyless: null }), false)
  t.equal(needsNoKey({ ...vllm, looksLike: null, keyless: 200 }), true)
  t.equal(
    needsNoKey({ ...vllm, looksLike: 'swift', keyless: 200 }),
    false,
    'what it is decides, not what the file says'
  )
  t.equal(needsNoKey({ ...vllm, engine: 'swift', keyless: 200 }), true)
  t.equal(needsNoKey({ engine: 'openai', looksLike: 'vllm', keyless: 200 }), false, 'a router may stand before it')
})

t.test('a parameter of a path becomes one segment', async t => {
  t.equal(concrete('/v1/responses/{response_id}/cancel'), '/v1/responses/tollgate-probe/cancel')
  t.equal(concrete('/v1/models/{model:path}'), '/v1/models/tollgate-probe')
})
