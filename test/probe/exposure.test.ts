import t from 'tap'
import { judgeExposure } from '../../src/probe/exposure.ts'
import type { Facts, Sweep } from '../../src/probe/facts.ts'
import { someFacts } from './some-facts.ts'

const found = (more: Partial<Facts>) => judgeExposure(someFacts(more)).map(({ code, routes = [] }) => [code, ...routes])

const answers = (
  statuses: Record<string, number>,
  stoppedAt: (Sweep & { asked: true })['stoppedAt'] = null
): Sweep => ({
  asked: true,
  answers: new Map(Object.entries(statuses)),
  stoppedAt
})
const HIDDEN = { is: 'status', status: 404 } as const

t.test('405 and 2xx are open, 401 and 403 guarded, 404 and redirects not there', async t => {
  const sweep = answers({
    '/pause': 405,
    '/sleep': 401,
    '/wake_up': 403,
    '/resume': 404,
    '/collective_rpc': 307,
    '/metrics': 200
  })
  t.strictSame(found({ sweep, routes: HIDDEN }), [
    ['P210', 'POST /pause'],
    ['P212', 'GET /metrics*']
  ])
})

t.test('each kind of danger has a finding of its own', async t => {
  const sweep = answers({ '/score': 405, '/pause': 405, '/update_weights': 405, '/resume': 405, '/invocations': 405 })
  t.strictSame(found({ sweep, routes: HIDDEN }), [
    ['P210', 'POST /pause', 'POST /resume'],
    ['P210', 'POST /update_weights'],
    ['P210', 'POST /invocations'],
    ['P211', 'POST /score']
  ])
})

t.test('which methods a path has, the engine knows best', async t => {
  const sweep = answers({ '/ping': 405, '/adapters/tollgate-probe': 405 })
  t.strictSame(found({ sweep, routes: { is: 'said', value: ['GET /ping', 'DELETE /adapters/{adapter}'] } }), [
    ['P210', 'DELETE /adapters/{name}'],
    ['P212', 'GET /ping']
  ])
})

t.test('a path that only the document names is judged by its pattern', async t => {
  const sweep = answers({ '/nodes/terminate_all': 405 })
  const routes = { is: 'said', value: ['GET /nodes/terminate_all'] } as const
  t.strictSame(found({ engine: 'lmdeploy', looksLike: 'lmdeploy', sweep, routes }), [
    ['P210', 'GET /nodes/terminate_all']
  ])
})

t.test('where no key is needed, only the dangers are listed', async t => {
  const sweep = answers({ '/pause': 405, '/score': 405, '/health': 405 })
  t.strictSame(found({ sweep, keyless: 200, routes: HIDDEN }), [['P210', 'POST /pause']])
})

t.test('where the routes themselves look at the key, being reached says nothing of those that do', async t => {
  const sweep = answers({ '/v1/chat/completions': 405, '/infer/': 405, '/health': 405 })
  t.strictSame(found({ engine: 'swift', looksLike: 'swift', keyless: 200, sweep, routes: HIDDEN }), [
    ['P210', 'POST /infer/'],
    ['P212', 'GET /health']
  ])
})

t.test('what could not be asked is said, with what is known instead', async t => {
  const sweep: Sweep = { asked: false, why: 'any-path' }
  const routes = {
    is: 'said',
    value: ['POST /pause', 'POST /v1/load_lora_adapter', 'POST /score', 'GET /version']
  } as const
  t.strictSame(found({ sweep, routes }), [['P216'], ['P213', 'POST /pause']])
  t.strictSame(found({ sweep, routes, keyless: 200 }), [
    ['P216'],
    ['P213', 'POST /pause', 'POST /v1/load_lora_adapter']
  ])
  const [, known] = found({ sweep, routes: HIDDEN })
  t.ok(known?.includes('POST /pause'))
  t.notOk(known?.includes('POST /v1/load_lora_adapter'))
  t.strictSame(
    found({ engine: 'openai', looksLike: null, sweep: { asked: false, why: 'unknown-server' }, routes: HIDDEN }),
    [['P216']]
  )
  t.strictSame(found({ sweep: { asked: false, why: 'unreachable' }, routes: HIDDEN }), [], 'that has been said')
})

t.test('what is known is known of the engine that it looks like', async t => {
  const sweep: Sweep = { asked: false, why: 'unrecognised' }
  const routes = { is: 'said', value: ['POST /start_profile', 'GET /flush_cache'] } as const
  t.strictSame(found({ looksLike: 'sglang', sweep, routes }), [['P216']], "all of it is behind SGLang's key")
  t.strictSame(found({ looksLike: 'sglang', sweep, routes, keyless: 200 }), [
    ['P216'],
    ['P213', 'POST /start_profile', 'GET /flush_cache']
  ])
})

t.test('an answer that no router gives is a warning, silence good to know', async t => {
  t.strictSame(found({ sweep: answers({}, { path: '/pause', status: 200 }) }), [['P214']])
  t.strictSame(found({ sweep: answers({}, { path: '/pause', status: null }) }), [['P216']])
})

t.test('unknown routes are named, unless it is another engine', async t => {
  const routes = { is: 'said', value: ['POST /v1/new', 'GET /v1/responses/{response_id}', 'GET /health'] } as const
  t.strictSame(found({ routes }), [['P220', 'POST /v1/new']])
  t.strictSame(found({ routes, looksLike: null }), [['P220', 'POST /v1/new']])
  t.strictSame(found({ routes, looksLike: 'sglang' }), [])
})

t.test("SGLang's key does not guard WebSockets, which is known and not asked", async t => {
  const sglang = { engine: 'sglang', looksLike: 'sglang', routes: HIDDEN } as const
  t.strictSame(found(sglang), [['P215', 'GET /v1/realtime']])
  t.strictSame(found({ ...sglang, keyless: 200 }), [], 'without a key it goes without saying')
})
