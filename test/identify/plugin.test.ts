import fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { Exchange } from '../../src/exchange.ts'
import { Bans } from '../../src/identify/bans.ts'
import { type ClientResolver, createClientResolver } from '../../src/identify/client-ip.ts'
import identify, { closeToBanned } from '../../src/identify/plugin.ts'
import { banOptions } from '../helpers/ban-options.ts'
import { rawRequest } from '../helpers/raw.ts'

const accept = fp<{ resolve: ClientResolver }>(
  async (app, { resolve }) => {
    app.decorateRequest('exchange')
    app.addHook('onRequest', (request, _reply, done) => {
      const { raw } = request
      request.exchange = new Exchange({ id: request.id, startedAtMs: 0, method: request.method, path: '/' })
      request.exchange.client = resolve(raw.socket.remoteAddress, raw.rawHeaders)
      done()
    })
  },
  { name: 'tollgate-accept' }
)

const bansOf = (mode: 'soft' | 'strict') =>
  new Bans(banOptions({ mode }), { nowMs: () => 1_000_000, onChange: () => {} })
const noBans = bansOf('soft')

async function listen(t: Test, trustedProxies: string[], bans = noBans): Promise<number> {
  const app = fastify()
  t.teardown(() => app.close())
  const resolve = createClientResolver({ trustedProxies })
  await app.register(accept, { resolve })
  await app.register(identify, { bans })
  await app.register(async open => {
    await open.register(closeToBanned, { bans })
    open.get('/open', (_request, reply) => reply.send('open'))
  })
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
    await app.register(identify, { bans: noBans })
  })
})

t.test('B6: a route without tokens is closed to banned addresses, and strict closes every route', async t => {
  const banned = { ip: '198.51.100.9', key: '198.51.100.9', isProxy: false }
  for (const mode of ['soft', 'strict'] as const) {
    const bans = bansOf(mode)
    bans.impose(banned, { reason: 'failures', forMs: 90_000 })
    const port = await listen(t, ['127.0.0.0/8'], bans)
    const ask = async (path: string, from: string) =>
      await rawRequest(port, head(`X-Forwarded-For: ${from}`).replace('GET /', `GET ${path}`))
    t.equal((await ask('/', '198.51.100.9')).status, mode === 'soft' ? 200 : 500, 'as the framework says it, alone')
    t.match(await ask('/open', '198.51.100.9'), { status: 500, body: 'Too many failed requests' })
    t.equal((await ask('/open', '198.51.100.10')).status, 200)
  }
})
