import t from 'tap'
import { askTarget } from '../../src/probe/target.ts'
import { type DoubleInit, listen, startDouble } from './double.ts'

const VLLM: DoubleInit = { routes: ['GET /load', 'POST /pause', 'POST /invocations'], mounts: ['/metrics'] }
const init = { pool: 'p', engine: 'vllm', ca: null, cert: null, key: null, apiKey: null, timeoutMs: 5_000 } as const

t.test('an engine that is recognised and keeps methods apart is asked for every path of its table', async t => {
  const engine = await startDouble(t, VLLM)
  const { sweep } = await askTarget({ ...init, origin: engine.origin })
  t.match(sweep, { asked: true, stoppedAt: null })
  const answers = sweep.asked ? sweep.answers : new Map()
  t.match(Object.fromEntries(answers), {
    '/pause': 405,
    '/sleep': 404,
    '/metrics': 200,
    '/adapters/tollgate-probe': 404
  })
  t.strictSame(engine.ran, [])
})

t.test('what is not recognised is not asked', async t => {
  const engine = await startDouble(t, { ...VLLM, routes: ['GET /health'], owner: 'somebody' })
  t.match((await askTarget({ ...init, origin: engine.origin })).sweep, { asked: false, why: 'unrecognised' })
  const open = await askTarget({ ...init, engine: 'openai', origin: engine.origin })
  t.match(open.sweep, { asked: false, why: 'unknown-server' })
  t.notOk(engine.seen.some(({ method }) => method === 'PROPFIND'))
})

t.test('where a path that nobody has is answered, no other is asked', async t => {
  const engine = await startDouble(t, { ...VLLM, mounts: ['/tollgate-probe-'] })
  t.match((await askTarget({ ...init, origin: engine.origin })).sweep, { asked: false, why: 'any-path' })
  t.strictSame(
    engine.seen.filter(({ method }) => method === 'PROPFIND').map(({ path }) => path.replace(/-[0-9a-f]{16}$/, '')),
    ['/v1/models', '/tollgate-probe']
  )
})

t.test('an engine that falls silent in between is asked no further', async t => {
  const engine = await startDouble(t, { ...VLLM, instead: request => request.url === '/classify' })
  const { sweep } = await askTarget({ ...init, origin: engine.origin, timeoutMs: 1_500 })
  t.match(sweep, { asked: true, stoppedAt: { path: '/classify', status: null } })
  t.equal(engine.seen.at(-1)?.path, '/classify')
})

t.test('an engine that answers each path late is not asked for all of them', async t => {
  const engine = await startDouble(t, {
    ...VLLM,
    instead: (request, response) => {
      if (request.method !== 'PROPFIND' || request.url === '/v1/models') return false
      setTimeout(() => response.writeHead(404).end(), 100)
      return true
    }
  })
  const { sweep } = await askTarget({ ...init, origin: engine.origin, timeoutMs: 500 })
  t.match(sweep, { asked: true, stoppedAt: { status: null } })
  t.ok(engine.seen.length < 40)
})

t.test('paths of the document are asked where the table has a pattern for them, and only plain ones', async t => {
  const documented = ['GET /terminate', 'GET /nodes/status', 'GET //other/nodes', 'GET /nodes/é', 'GET /other']
  const engine = await startDouble(t, {
    routes: ['GET /terminate', 'GET /nodes/status'],
    documented,
    owner: 'lmdeploy'
  })
  await askTarget({ ...init, engine: 'lmdeploy', origin: engine.origin })
  const asked = engine.seen.filter(({ method }) => method === 'PROPFIND').map(({ path }) => path)
  t.ok(asked.includes('/nodes/status'))
  for (const path of ['/other', '//other/nodes', '/nodes/é']) t.notOk(asked.includes(path))
  t.strictSame(engine.ran, [])
})

t.test('what does not answer its first question is asked nothing more', async t => {
  let questions = 0
  const origin = await listen(t, request => {
    questions++
    request.socket.destroy()
  })
  t.match(await askTarget({ ...init, origin }), {
    models: { is: 'failed', why: 'unreachable' },
    sweep: { asked: false }
  })
  t.equal(questions, 1)
})
