import { once } from 'node:events'
import fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { coalescedRequests, FREE_CHUNKS } from '../../src/accept/coalesced-request.ts'
import { GateError } from '../../src/errors.ts'
import { type Call, Exchange, type Identity } from '../../src/exchange.ts'
import { BodyBudget } from '../../src/inspect/body-budget.ts'
import { createEndpoints } from '../../src/inspect/endpoints.ts'
import inspect from '../../src/inspect/plugin.ts'
import { openRaw, type RawAnswer, rawRequest } from '../helpers/raw.ts'

const LIMITS = {
  engines: ['vllm' as const],

  bodyTextBytes: 100,
  bodyMultimodalBytes: 1000
}
const routes = [{ method: 'DELETE', path: '/jobs/one', scope: 'task:x', pool: null }]
const options = { ...LIMITS, routes, aliases: new Map([['nick', 'the/model']]) }

/** The rooms before, as `inspect` needs them: an exchange, a caller named by a header, nobody else. */
const accept = fp(
  async app => {
    app.decorateRequest('exchange')
    app.server.on('checkContinue', (request, response) => app.server.emit('request', request, response))
    app.addHook('onRequest', (request, _reply, done) => {
      request.exchange = new Exchange({ id: request.id, startedAtMs: 0, method: request.method, path: '/' })
      done()
    })
  },
  { name: 'tollgate-accept' }
)
const authenticate = fp(
  async app => {
    app.addHook('onRequest', (request, _reply, done) => {
      const sub = request.headers['x-who']
      if (typeof sub !== 'string') throw new GateError('TOLLGATE_AUTHENTICATE_MISSING')
      request.exchange.identity = { sub } as Identity
      done()
    })
  },
  { name: 'tollgate-authenticate', dependencies: ['tollgate-accept'] }
)

interface World {
  readonly app: FastifyInstance
  readonly port: number
  readonly calls: Call[]
  readonly exchanges: Exchange[]
}

async function listen(t: Test, { bodyBytes = LIMITS.bodyTextBytes, memoryBytes = 1024 ** 3 } = {}): Promise<World> {
  const app = fastify({ bodyLimit: LIMITS.bodyMultimodalBytes, http: { IncomingMessage: coalescedRequests() } })
  t.teardown(() => app.close())
  const calls: Call[] = []
  const exchanges: Exchange[] = []
  app.setErrorHandler((error, request, reply) => {
    if (!request.raw.complete) reply.header('connection', 'close')
    if (error instanceof GateError) reply.code(error.row.status).send({ code: error.code })
    else reply.code(500).send({ code: String(error) })
  })
  await app.register(accept)
  await app.register(async gated => {
    await gated.register(authenticate)
    const mayMultimodal = ({ sub }: Identity) => sub === 'painter'
    const inspection = {
      endpoints: createEndpoints(options),
      options: { ...options, bodyTextBytes: bodyBytes },
      mayMultimodal
    }
    await gated.register(inspect, { inspectionOf: () => inspection, budget: new BodyBudget(() => memoryBytes) })
    gated.all('/*', (request, reply) => {
      calls.push(request.exchange.call)
      exchanges.push(request.exchange)
      reply.send({ code: 'passed' })
    })
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  return { app, port: Number(port), calls, exchanges }
}

const head = (lines: readonly string[], { path = '/v1/chat/completions', method = 'POST', who = 'writer' } = {}) =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n${[...(who === '' ? [] : [`X-Who: ${who}`]), ...lines].join('\r\n')}\r\n\r\n`
const JSON_TYPE = 'Content-Type: application/json'
const CLOSE = 'Connection: close'
const sized = (body: string | Buffer) => [JSON_TYPE, CLOSE, `Content-Length: ${Buffer.byteLength(body)}`]
const chunked = (body: string) =>
  [body.slice(0, 40), body.slice(40)].map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')
const bodyOf = (bytes: number) => {
  const frame = '{"model":"m","messages":[{"role":"user","content":""}]}'
  return frame.replace('""', `"${'a'.repeat(bytes - frame.length)}"`)
}
const codeOf = ({ status, body }: RawAnswer) => `${status} ${(JSON.parse(body) as { code: string }).code}`

t.test('the body goes on byte by byte, also in pieces, and its length is written down', async t => {
  const { port, exchanges } = await listen(t)
  const body =
    '{ "messages":[{"role":"user","content":"h\\u00e9 \u{1f600}"}],\n"model" : "m", "seed":9223372036854775807 }'
  t.equal(codeOf(await rawRequest(port, head(sized(body)) + body)), '200 passed')
  const small = bodyOf(80)
  const pieces = head([JSON_TYPE, CLOSE, 'Transfer-Encoding: chunked']) + chunked(small)
  t.equal(codeOf(await rawRequest(port, `${pieces}0\r\n\r\n`)), '200 passed')
  t.strictSame(
    exchanges.map(({ content }) => content?.bytes.toString()),
    [body, small]
  )
  t.strictSame(
    exchanges.map(({ bytesIn }) => bytesIn),
    [Buffer.byteLength(body), 80]
  )
})

t.test('an alias is read as its model, and the caller is charged for what was sent', async t => {
  const { port, calls, exchanges } = await listen(t)
  const body = '{"model":"nick","messages":[]}'
  t.equal(codeOf(await rawRequest(port, head(sized(body)) + body)), '200 passed')
  t.match(calls[0], { model: 'the/model', modelAsked: 'nick' })
  t.equal(exchanges[0]?.bytesIn, body.length)
})

t.test('who may send text alone has the short limit, who may send pictures the long one, declared or not', async t => {
  const { port } = await listen(t)
  const send = async (who: string, body: string) => {
    const declared = await rawRequest(port, head(sized(body), { who }) + body)
    const pieces = `${head([JSON_TYPE, CLOSE, 'Transfer-Encoding: chunked'], { who })}${chunked(body)}0\r\n\r\n`
    return [codeOf(declared), codeOf(await rawRequest(port, pieces))]
  }
  const passed = ['200 passed', '200 passed']
  const refused = ['413 TOLLGATE_INSPECT_SIZE', '413 TOLLGATE_INSPECT_SIZE']
  t.strictSame(await send('writer', bodyOf(100)), passed)
  t.strictSame(await send('writer', bodyOf(101)), refused)
  t.strictSame(await send('painter', bodyOf(101)), passed)
  t.strictSame(await send('painter', bodyOf(1000)), passed)
  t.strictSame(await send('painter', bodyOf(1001)), refused)
})

t.test('a chunked body over the limit is refused before its end has come', async t => {
  const { port } = await listen(t)
  const answer = await rawRequest(port, head([JSON_TYPE, 'Transfer-Encoding: chunked']) + chunked(bodyOf(300)))
  t.equal(codeOf(answer), '413 TOLLGATE_INSPECT_SIZE')
  t.equal(answer.headers.connection, 'close')
})

t.test('route, method, query and type are judged before a byte of the body has come', async t => {
  const { port } = await listen(t)
  const waiting = [JSON_TYPE, 'Content-Length: 50']
  const answers = {
    '404 TOLLGATE_INSPECT_ROUTE': head(waiting, { path: '/v1/chat%2fcompletions' }),
    '405 TOLLGATE_INSPECT_METHOD': head(waiting, { path: '/v1/models' }),
    '400 TOLLGATE_INSPECT_QUERY': head(waiting, { path: '/v1/embeddings?x=1' }),
    '415 TOLLGATE_INSPECT_TYPE': head(['Content-Type: text/plain', 'Content-Length: 50']),
    '413 TOLLGATE_INSPECT_SIZE': head([JSON_TYPE, 'Content-Length: 101']),
    '401 TOLLGATE_AUTHENTICATE_MISSING': head(waiting, { path: '/nowhere', who: '' })
  }
  for (const [answer, bytes] of Object.entries(answers)) t.equal(codeOf(await rawRequest(port, bytes)), answer)
})

t.test('who waits for 100 Continue is told so after all headers are good, and not before', async t => {
  const { port } = await listen(t)
  const body = bodyOf(80)
  const expecting = (lines: readonly string[], who: string) => head([...lines, 'Expect: 100-continue'], { who })
  const socket = await openRaw(port)
  socket.write(expecting(sized(body), 'writer'))
  const [go] = (await once(socket, 'data')) as [Buffer]
  t.equal(go.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write(body)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.match(answer.toString(), /^HTTP\/1\.1 200 /)
  socket.destroy()

  const refused = [expecting(sized(body), ''), expecting([JSON_TYPE, 'Content-Length: 101'], 'writer')]
  for (const bytes of refused) t.notMatch((await rawRequest(port, bytes)).raw, '100 Continue')
})

t.test('a caller who leaves in the middle of the body does no harm', async t => {
  const { app, port, calls } = await listen(t)
  const gone = new Promise<void>(resolve => {
    app.server.once('connection', socket => socket.once('close', () => resolve()))
  })
  const socket = await openRaw(port)
  socket.write(`${head([JSON_TYPE, 'Content-Length: 80'])}{"model":`)
  socket.end()
  await gone
  const body = bodyOf(80)
  t.equal(codeOf(await rawRequest(port, head(sized(body)) + body)), '200 passed')
  t.equal(calls.length, 1)
})

t.test('routes without a body take none and are read as such', async t => {
  const { port, calls } = await listen(t)
  t.equal(codeOf(await rawRequest(port, head([CLOSE], { path: '/v1/models', method: 'GET' }))), '200 passed')
  t.equal(codeOf(await rawRequest(port, head([CLOSE], { path: '/jobs/one', method: 'DELETE' }))), '200 passed')
  t.match(calls, [
    { operation: 'models', kind: 'none' },
    { operation: '/jobs/one', routeScope: 'task:x', model: null }
  ])
  const withBody = head([JSON_TYPE, 'Content-Length: 2'], { path: '/jobs/one', method: 'DELETE' })
  t.equal(codeOf(await rawRequest(port, `${withBody}{}`)), '415 TOLLGATE_INSPECT_TYPE')
})

t.test('an empty body where one belongs is no JSON', async t => {
  const { port } = await listen(t)
  t.equal(codeOf(await rawRequest(port, head(sized('')))), '400 TOLLGATE_INSPECT_JSON')
  t.equal(codeOf(await rawRequest(port, head([JSON_TYPE, CLOSE]))), '400 TOLLGATE_INSPECT_JSON')
})

t.test('a body counts with what it takes when it has been parsed, while its call waits', async t => {
  const { port } = await listen(t, { bodyBytes: 100_000, memoryBytes: 4 * 1024 ** 2 })
  const send = async (item: string) => {
    const body = `{"model":"m","messages":[${Array.from({ length: 60_000 / item.length }, () => item).join()}]}`
    return codeOf(await rawRequest(port, head(sized(body)) + body))
  }
  t.equal(await send('"a text of some forty letters and digits"'), '200 passed')
  t.equal(await send('{}'), '503 TOLLGATE_INSPECT_OVERLOADED')
})

t.test('a body that never ends in one-byte chunks is refused with a code of its own', async t => {
  const { port } = await listen(t, { bodyBytes: 1024 ** 2 })
  const chunks = '1\r\n \r\n'.repeat(FREE_CHUNKS + FREE_CHUNKS / 4)
  const answer = await rawRequest(port, head([JSON_TYPE, 'Transfer-Encoding: chunked']) + chunks)
  t.equal(codeOf(answer), '400 TOLLGATE_INSPECT_CHUNKS')
  t.equal(answer.headers.connection, 'close')
})
