import t from 'tap'
import { openRaw, rawRequest } from '../helpers/raw.ts'
import { world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const BODY = '{"model":"m","messages":[]}'

t.test('every trick with a path is a 404 for whoever has a token, and a 401 for a stranger', async t => {
  const w = await world(t)
  const token = await w.issuer.sign()
  const tricks = [
    '/v1/chat%2fcompletions',
    '/v1/%63hat/completions',
    '/v1//chat/completions',
    '//v1/chat/completions',
    '/v1/./chat/completions',
    '/v1/x/../chat/completions',
    '/v1/chat/completions;x',
    '/v1/chat\\completions',
    '/v1/chat/completions/',
    '/v1/chat/completions%00',
    '/v1/chat/completions%3fx',
    '/v1/chat/completions#x',
    '/V1/chat/completions',
    'http://evil.example/v1/chat/completions',
    '*',
    '/v1/%zz',
    '/invocations',
    '/metrics',
    '/v1/load_lora_adapter',
    '/livez',
    '/'
  ]
  for (const path of tricks) {
    const ask = (auth: string) =>
      rawRequest(
        w.port,
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${auth}Content-Type: application/json\r\nContent-Length: ${BODY.length}\r\nConnection: close\r\n\r\n${BODY}`
      )
    const known = await ask(`Authorization: Bearer ${token}\r\n`)
    t.equal(known.status, 404, path)
    t.equal(JSON.parse(known.body).error.code, 'unknown_url', path)
    t.equal((await ask('')).status, 401, path)
  }
  t.strictSame(await w.engine.requests(), [])
  t.match(await w.audit(1), {
    'tollgate.code': 'TOLLGATE_INSPECT_ROUTE',
    'user.id': 'u-1',
    'http.response.status_code': 404
  })
})

t.test('a query string is refused and never written down', async t => {
  const w = await world(t)
  const answer = await w.ask(`${CHAT}?access_token=hush`, { body: BODY })
  t.equal(answer.status, 400)
  const line = await w.audit()
  t.equal(line['url.path'], CHAT)
  t.notMatch(JSON.stringify(line) + w.log.join(), /hush/, 'P0-14')
})

t.test('a method that a route does not take is a 405 that names the right one', async t => {
  const w = await world(t)
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) {
    const answer = await w.ask(CHAT, { method })
    t.equal(answer.status, 405, method)
    t.equal(answer.headers.get('allow'), 'POST')
  }
  const trace = await rawRequest(w.port, 'TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.equal(trace.status, 405)
})

t.test('security 5.1: heads that others might read in another way are refused', async t => {
  const w = await world(t)
  const auth = `Authorization: Bearer ${await w.issuer.sign()}\r\nContent-Type: application/json\r\nConnection: close\r\n`
  const head = (lines: string, version = '1.1') => `POST ${CHAT} HTTP/${version}\r\n${lines}${auth}`
  const length = `Content-Length: ${BODY.length}\r\n`
  const cases: [string, number, string][] = [
    ['no Host', 400, head(length)],
    ['two Hosts', 400, head(`Host: a\r\nHost: a\r\n${length}`)],
    ['a Host that is none', 400, head(`Host: a b\r\n${length}`)],
    ['HTTP/1.0', 505, head(`Host: a\r\n${length}`, '1.0')],
    ['a length twice', 400, head(`Host: a\r\n${length}${length}`)],
    ['length and chunks', 400, head(`Host: a\r\n${length}Transfer-Encoding: chunked\r\n`)],
    ['an odd transfer encoding', 400, head('Host: a\r\nTransfer-Encoding: gzip, chunked\r\n')],
    ['a name with an underscore', 400, head(`Host: a\r\nX_Team_Id: x\r\n${length}`)],
    ['an upgrade', 400, head(`Host: a\r\nUpgrade: h2c\r\n${length}`)],
    ['a space before the colon', 400, head(`Host: a\r\nX : y\r\n${length}`)],
    ['a folded line', 400, head(`Host: a\r\nX: y\r\n z\r\n${length}`)],
    ['two tokens', 400, head(`Host: a\r\nAuthorization: Bearer x\r\n${length}`)],
    [
      'too many headers',
      400,
      head(`Host: a\r\n${Array.from({ length: 101 }, (_, i) => `X-${i}: y\r\n`).join('')}${length}`)
    ],
    [
      'P0-15: more headers than Node shows',
      431,
      head(`Host: a\r\n${Array.from({ length: 2000 }, (_, i) => `X${i}:\r\n`).join('')}${length}`)
    ],
    ['a head over 16 KiB', 431, head(`Host: a\r\nX: ${'y'.repeat(17_000)}\r\n${length}`)]
  ]
  for (const [name, status, text] of cases) {
    const answer = await rawRequest(w.port, `${text}\r\n${BODY}`)
    t.equal(answer.status, status, name)
    t.ok(JSON.parse(answer.body).error.message, name)
  }
  t.strictSame(await w.engine.requests(), [])
})

t.test(
  'P0-3: `Expect: 100-continue` is answered when the token is good, and not before; hop-by-hop headers break nothing',
  async t => {
    const w = await world(t)
    const socket = await openRaw(w.port)
    t.teardown(() => socket.destroy())
    const lines =
      'Host: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nProxy-Connection: x\r\n'
    const next = () => new Promise<string>(resolve => socket.once('data', piece => resolve(String(piece))))
    socket.write(
      `POST ${CHAT} HTTP/1.1\r\n${lines}Authorization: Bearer ${await w.issuer.sign()}\r\nContent-Length: ${BODY.length}\r\n\r\n`
    )
    t.match(await next(), /^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    socket.write(BODY)
    t.match(await next(), /^HTTP\/1\.1 200 OK/)
    const stranger = await rawRequest(w.port, `POST ${CHAT} HTTP/1.1\r\n${lines}Content-Length: 99999\r\n\r\n`)
    t.equal(stranger.status, 401)
    t.notMatch(stranger.raw, /100 Continue/)
    const [seen] = await w.engine.requests()
    t.notMatch(seen?.rawHeaders.join(), /expect|keep-alive: timeout|proxy-connection|trailers/i)
  }
)

t.test("a stranger's body is not read: the answer comes at once and the connection ends", async t => {
  const w = await world(t)
  const answer = await rawRequest(
    w.port,
    `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{`
  )
  t.equal(answer.status, 401)
  t.equal(answer.headers.connection, 'close')
})

t.test('a chunked body is stopped at its limit, whatever it declares', async t => {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
requests: { body: { text: 1KiB, multimodal: 4KiB } }
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }`
  })
  const send = async (scopes: string[], bytes: number) => {
    const body = JSON.stringify({ model: 'm', messages: [], pad: 'x'.repeat(bytes) })
    const token = await w.issuer.sign({ scopes })
    return await rawRequest(
      w.port,
      `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
    )
  }
  t.equal((await send(['infer:text'], 900)).status, 200)
  t.equal((await send(['infer:text'], 2000)).status, 413)
  t.equal((await send(['infer:text', 'infer:multimodal'], 2000)).status, 200)
  t.equal((await send(['infer:text', 'infer:multimodal'], 5000)).status, 413)
})

t.test('no caller can hold a socket: slow heads, slow bodies and readers who do not read are cut', async t => {
  const w = await world(t, {
    limits: { headersMs: 200, requestMs: 300, checkEveryMs: 20, readerStallMs: 200, keepAliveMs: 150 }
  })
  const closed = (socket: Awaited<ReturnType<typeof openRaw>>) =>
    new Promise<void>(resolve => socket.once('close', () => resolve()))
  await w.engine.script({ kind: 'flood' })
  // Before anything is open: who is silent while a token is signed may be cut for that.
  const token = await w.issuer.sign()
  const silent = await openRaw(w.port)
  const slowHead = await openRaw(w.port)
  slowHead.write('POST / HTTP/1.1\r\nHost:')
  const slowBody = await openRaw(w.port)
  slowBody.write(
    `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
  )
  const deaf = await openRaw(w.port)
  deaf.pause()
  deaf.write(
    `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`
  )
  for (const socket of [silent, slowHead, slowBody]) socket.resume()
  await Promise.all([silent, slowHead, slowBody].map(closed))
  await w.engine.waitFor('abort')
  t.pass()
})

t.test('an engine that thinks for longer than a reader may stall is waited for', async t => {
  const w = await world(t, { limits: { readerStallMs: 50 } })
  await w.engine.script({ kind: 'json', body: { ok: true }, delayMs: 300 })
  t.equal((await w.ask(CHAT, { body: BODY })).status, 200)
})

t.test('P2: a team cannot be named by a header', async t => {
  const w = await world(t)
  const answer = await w.ask(CHAT, {
    body: BODY,
    token: await w.issuer.sign({ team_id: 'other' }),
    headers: { 'x-team-id': 'team-a' }
  })
  t.equal(answer.status, 403)
})
