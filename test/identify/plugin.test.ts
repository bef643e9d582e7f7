import fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { Exchange } from '../../src/exchange.ts'
import { createClientResolver } from '../../src/identify/client-ip.ts'
import identify from '../../src/identify/plugin.ts'
import { rawRequest } from '../helpers/raw.ts'

const accept = fp(
  async app => {
    app.decorateRequest('exchange')
    app.addHook('onRequest', (request, _reply, done) => {
      request.exchange = new Exchange({ id: request.id, startedAtMs: 0, method: request.method, path: '/' })
      done()
    })
  },
  { name: 'tollgate-accept' }
)

async function listen(t: Test, trustedProxies: string[]): Promise<number> {
  const app = fastify()
  t.teardown(() => app.close())
  const resolve = createClientResolver({ trustedProxies })
  await app.register(accept)
  await app.register(identify, { resolverOf: () => resolve })
  app.get('/', (request, reply) => reply.send(request.exchange.client))
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}

const head = (...lines: string[]) =>
  `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`

t.test('the caller of a socket is its peer, and several lines of one header are read in their order', async t => {
  const alone = await rawRequest(await listen(t, []), head('X-Forwarded-For: 198.51.100.9'))
  t.match(JSON.parse(alone.body), { ip: '127.0.0.1', key: '127.0.0.1', peerIp: '127.0.0.1', isProxy: false })
  const behind = await rawRequest(
    await listen(t, ['127.0.0.0/8']),
    head('X-Forwarded-For: 198.51.100.9', 'x-forwarded-for: 2001:db8::7, 127.0.0.2', 'X-Real-IP: 1.2.3.4')
  )
  t.match(JSON.parse(behind.body), { ip: '2001:db8::7', key: '2001:db8:0:0::/64', peerIp: '127.0.0.1', isProxy: false })
})

t.test('without the room before it the gate does not start', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => {
    await app.register(identify, { resolverOf: () => createClientResolver({ trustedProxies: [] }) })
  })
})
