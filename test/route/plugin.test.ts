import fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { type Call, Exchange, type Identity } from '../../src/exchange.ts'
import route from '../../src/route/plugin.ts'
import { createRouteTable } from '../../src/route/table.ts'
import { EQUAL, poolOf, poolOptions } from '../helpers/pools.ts'

const authorize = fp(
  async app => {
    app.decorateRequest('exchange')
    app.addHook('preHandler', (request, _reply, done) => {
      const exchange = new Exchange({ id: request.id, startedAtMs: 0, method: request.method, path: '/' })
      exchange.identity = { sub: 's', team: request.headers['x-team'] ?? null } as Identity
      exchange.call = {
        operation: request.headers['x-operation'],
        method: 'POST',
        path: '/v1/chat/completions',
        model: request.headers['x-model'] ?? 'm',
        routePool: null,
        routeScope: null
      } as Call
      request.exchange = exchange
      done()
    })
  },
  { name: 'tollgate-authorize' }
)

t.test('a call gets its target, questions for models are answered here, a foreign team is refused', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  const pool = poolOf(poolOptions('a', ['http://a1'], { models: ['m', 'secret'] }))
  const table = createRouteTable(new Map([['red', { pools: ['a'], models: null, ...EQUAL }]]), new Map([['a', pool]]))
  app.setErrorHandler((error, _request, reply) => reply.code(403).send(error))
  await app.register(authorize)
  await app.register(route, {
    tableOf: () => table,
    mayUseModel: (_exchange, model) => model !== 'secret',
    nowMs: () => 5_000
  })
  app.get('/', (request, reply) => reply.send({ target: request.exchange.known.target ?? null }))
  const ask = async (operation: string, team: string, model = 'm') =>
    (await app.inject({ url: '/', headers: { 'x-operation': operation, 'x-team': team, 'x-model': model } })).json()
  t.strictSame(await ask('chat', 'red'), { target: { pool: 'a', engine: 'vllm', origin: 'http://a1' } })
  const card = { id: 'm', object: 'model', created: 5, owned_by: 'tollgate' }
  t.strictSame(await ask('models', 'red'), { object: 'list', data: [card] })
  t.strictSame(await ask('model', 'red'), card)
  t.match(await ask('model', 'red', 'secret'), { code: 'TOLLGATE_ROUTE_MODEL' })
  t.match(await ask('chat', 'blue'), { code: 'TOLLGATE_ROUTE_TEAM' })
})
