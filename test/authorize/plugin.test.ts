import fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import authorizePlugin from '../../src/authorize/plugin.ts'
import { createPolicy } from '../../src/authorize/policy.ts'
import { type Call, Exchange, type Identity } from '../../src/exchange.ts'

const inspect = fp(
  async app => {
    app.decorateRequest('exchange')
    app.addHook('preHandler', (request, _reply, done) => {
      const exchange = new Exchange({ id: request.id, startedAtMs: 0, method: request.method, path: '/' })
      const scopes = new Set(String(request.headers['x-scopes']).split(' '))
      exchange.identity = { sub: 's', role: null, scopes } as unknown as Identity
      exchange.call = { kind: 'text', model: 'm', routeScope: null } as Call
      request.exchange = exchange
      done()
    })
  },
  { name: 'tollgate-inspect' }
)

t.test('a call that the token does not allow never comes to the handler', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  const policy = createPolicy({ scopes: 'families', roles: new Map(), modelScopes: new Map() })
  let handled = 0
  app.setErrorHandler((error, _request, reply) => reply.code(403).send(error))
  await app.register(inspect)
  await app.register(authorizePlugin, { policyOf: () => policy })
  app.get('/', (_request, reply) => {
    handled++
    reply.send({ code: 'passed' })
  })
  const ask = async (scopes: string) => (await app.inject({ url: '/', headers: { 'x-scopes': scopes } })).json().code
  t.equal(await ask('infer:text'), 'passed')
  t.equal(await ask('infer:multimodal'), 'TOLLGATE_AUTHORIZE_SCOPE')
  t.equal(await ask('infer:text model:n:inference'), 'TOLLGATE_AUTHORIZE_MODEL')
  t.equal(handled, 1)
})

t.test('without the room before it the gate does not start', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => {
    await app.register(authorizePlugin, { policyOf: () => ({ authorize: () => {} }) })
  })
})
