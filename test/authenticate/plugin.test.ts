import { connect } from 'node:net'
import fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import authenticate from '../../src/authenticate/plugin.ts'
import { GateError } from '../../src/errors.ts'
import { type Ban, Exchange, type Identity } from '../../src/exchange.ts'

const someone: Identity = {
  iss: 'https://idp',
  sub: 'u-1',
  team: null,
  scopes: new Set(),
  role: null,
  iatSec: 1,
  expSec: 2,
  jti: null,
  kid: null,
  alg: 'ES256',
  fingerprint: '0123456789abcdef'
}

/** The hook in an app of its own, behind a stand-in for the rooms before it. */
async function fixture(
  t: Test,
  verify: (token: string) => Identity | Promise<Identity>,
  { ban, hasVerified = () => false }: { ban?: Ban; hasVerified?: (token: string) => boolean } = {}
) {
  const exchanges: Exchange[] = []
  const refused: (readonly [code: string, token: string])[] = []
  const app = fastify()
  await app.register(
    fp(
      async app => {
        app.decorateRequest('exchange')
        app.addHook('onRequest', async request => {
          const path = request.url.split('?')[0] ?? ''
          request.exchange = new Exchange({ id: '1', startedAtMs: 0, method: request.method, path })
          const client = { ip: '203.0.113.7', key: '203.0.113.7', peerIp: '203.0.113.7', isProxy: false }
          request.exchange.client = ban === undefined ? client : { ...client, ban }
          exchanges.push(request.exchange)
        })
      },
      { name: 'tollgate-identify' }
    )
  )
  app.setErrorHandler((err, _request, reply) => reply.code(err instanceof GateError ? err.row.status : 500).send(err))
  await app.register(authenticate, {
    verifierOf: () => ({ verify, hasVerified }),
    refusalOf: () => new GateError('TOLLGATE_IDENTIFY_BANNED'),
    onRefused: (_exchange, { code }, token) => refused.push([code, token])
  })
  app.all('/*', async request => request.exchange.identity.sub)
  t.teardown(() => app.close())
  const ask = async (headers: Record<string, string>, url = '/v1/chat/completions') =>
    await app.inject({ url, headers })
  return { app, ask, exchanges, refused }
}

async function listen(app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}

t.test('the principal is on the exchange, whether the token was remembered or had to be verified', async t => {
  for (const verify of [() => someone, async () => someone]) {
    const { ask } = await fixture(t, verify)
    t.equal((await ask({ authorization: 'Bearer a.b.c' })).body, 'u-1')
  }
})

t.test('a refusal is passed on, with its reason for the log, whether it comes at once or later', async t => {
  const refusal = new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: 'expired' })
  const atOnce = () => {
    throw refusal
  }
  for (const verify of [atOnce, async () => atOnce()]) {
    const { ask, exchanges } = await fixture(t, verify)
    t.equal((await ask({ authorization: 'Bearer a.b.c' })).statusCode, 401)
    t.equal(exchanges[0]?.known.identity, undefined)
  }
})

t.test('V25: no token, two tokens and keys that are not to be had are told apart', async t => {
  const { ask } = await fixture(t, () => {
    throw new GateError('TOLLGATE_AUTHENTICATE_KEYS', { reason: 'keys_unavailable' })
  })
  t.equal((await ask({})).statusCode, 401)
  t.equal((await ask({ authorization: 'Bearer a', 'x-api-key': 'a' }, '/v1/messages')).statusCode, 400)
  t.equal((await ask({ authorization: 'Bearer a' })).statusCode, 503)
})

t.test('a fault of ours is no refusal', async t => {
  const { ask } = await fixture(t, async () => {
    throw new TypeError('a mistake')
  })
  t.equal((await ask({ authorization: 'Bearer a' })).statusCode, 500)
})

t.test('V1: a second Authorization line, which the parsed headers hide, is seen on a real socket', async t => {
  const { app } = await fixture(t, () => someone)
  const socket = connect(await listen(app), '127.0.0.1')
  socket.end(
    'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n'
  )
  let answer = ''
  for await (const piece of socket) answer += piece
  t.match(answer, /^HTTP\/1\.1 400 /)
})

t.test('a caller who leaves while the token is verified leaves nothing broken behind', async t => {
  const [asked, verified] = [Promise.withResolvers<void>(), Promise.withResolvers<Identity>()]
  const { app, ask } = await fixture(t, async token => {
    if (token === 'quick') return someone
    asked.resolve()
    return await verified.promise
  })
  const socket = connect(await listen(app), '127.0.0.1')
  socket.write('GET /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer slow\r\n\r\n')
  await asked.promise
  socket.resetAndDestroy()
  verified.reject(new GateError('TOLLGATE_AUTHENTICATE_KEYS', { reason: 'keys_unavailable' }))
  t.equal((await ask({ authorization: 'Bearer quick' })).body, 'u-1')
})

t.test('B5: every refusal is told of with its token, and one without a token without', async t => {
  const { ask, refused } = await fixture(t, async () => {
    throw new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: 'bad_signature' })
  })
  await ask({ authorization: 'Bearer a.b.c' })
  await ask({})
  t.strictSame(refused, [
    ['TOLLGATE_AUTHENTICATE_INVALID', 'a.b.c'],
    ['TOLLGATE_AUTHENTICATE_MISSING', '']
  ])
})

t.test('B6: of a banned address a token opens that was good before, and no other is ever verified', async t => {
  const ban: Ban = { key: 'k', ip: '203.0.113.7', reason: 'failures', sinceMs: 0, untilMs: 1, times: 1 }
  const verify = (token: string) => {
    if (token !== 'good') throw new Error('verified')
    return someone
  }
  const { ask } = await fixture(t, verify, { ban, hasVerified: token => token === 'good' })
  t.equal((await ask({ authorization: 'Bearer good' })).statusCode, 200)
  for (const headers of [{ authorization: 'Bearer other' }, { authorization: 'Basic x' }, {}]) {
    t.equal((await ask(headers as Record<string, string>)).statusCode, 429)
  }
})
