import { connect } from 'node:net'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import t, { type Test } from 'tap'
import { type Certificate, makeCertificate } from '../helpers/certificate.ts'
import { callRealtime } from '../helpers/realtime-caller.ts'
import { type RealtimeEngine, startRealtimeEngine } from '../helpers/realtime-engine.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { until } from '../helpers/stores.ts'
import { type World, world } from '../helpers/world.ts'

const SCOPES = ['infer:multimodal', 'task:realtime']
const UPDATE = { type: 'session.update', model: 'm' }
const AUDIO = { type: 'input_audio_buffer.append', audio: Buffer.alloc(320).toString('base64') }
const COMMIT = { type: 'input_audio_buffer.commit' }

interface Scene extends World {
  readonly speech: RealtimeEngine
  call(path?: string, claims?: Record<string, unknown>): ReturnType<typeof callRealtime>
}

/** A gate whose operator has opened `/v1/realtime`, before an engine that has it. */
async function scene(
  t: Test,
  options: { flavour?: 'vllm' | 'sglang'; yaml?: string; pool?: string; routePool?: string; tls?: Certificate } = {}
): Promise<Scene> {
  const flavour = options.flavour ?? 'vllm'
  const { tls } = options
  const speech = await startRealtimeEngine(t, { flavour, ...(tls === undefined ? {} : { tls }) })
  const target = tls === undefined ? `"${speech.origin}"` : `{ url: "${speech.origin}", ca: ${tls.certFile} }`
  const w = await world(t, {
    yaml: ({ issuer }) => `
${tls === undefined ? '' : `server: { tls: { cert: ${tls.certFile}, key: ${tls.keyFile} } }`}
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: ${flavour}, targets: [${target}], models: [m, other], api_key: key-of-the-pool ${options.pool ?? ''} } }
models: { m: { aliases: [ears] }, other: { scope: "model:other:special" } }
access: { routes: [{ method: GET, path: /v1/realtime, scope: "task:realtime"${options.routePool ?? ''} }] }
teams: { team-a: { pool: p, models: [m, other] } }
${options.yaml ?? ''}`
  })
  return {
    ...w,
    speech,
    call: async (path = '/v1/realtime', claims = {}) =>
      await callRealtime(t, w.url + path, await w.issuer.sign({ scopes: SCOPES, ...claims }))
  }
}

t.test('a session goes through as the engine speaks it, and is written down with its model and its ending', async t => {
  const s = await scene(t)
  const caller = await s.call()
  t.match(await caller.next(), { type: 'session.created' })
  for (const event of [UPDATE, AUDIO, COMMIT]) caller.say(event)
  t.match(await caller.next(), { type: 'transcription.delta', delta: 'hi' })
  t.match(await caller.next(), { type: 'transcription.done' })
  caller.say({ ...COMMIT, final: true })
  await caller.next()
  await caller.next()
  t.equal(await caller.closed, 1000)
  t.strictSame(s.speech.heard, [UPDATE, AUDIO, COMMIT, { ...COMMIT, final: true }])
  t.match(await s.audit(), {
    'url.path': '/v1/realtime',
    'http.response.status_code': 101,
    'event.outcome': 'success',
    'tollgate.outcome': 'answered',
    'gen_ai.operation.name': 'realtime',
    'gen_ai.request.model': 'm',
    'user.id': 'u-1',
    'tollgate.code': null
  })
  const line = await s.audit()
  t.ok(Number(line['http.request.body.bytes']) > 320 && Number(line['http.response.body.bytes']) > 100)
})

t.test("the engine sees the pool's key, our request id and no word of the caller's handshake", async t => {
  const s = await scene(t)
  const token = await s.issuer.sign({ scopes: SCOPES })
  const caller = await callRealtime(t, `${s.url}/v1/realtime?model=m`, token, {
    headers: { cookie: 'a=b', 'x-request-id': 'mine', 'x-data-parallel-rank': '1', origin: 'https://evil.example' }
  })
  await caller.next()
  const { headers, url } = s.speech.handshakes[0] ?? {}
  t.equal(url, '/v1/realtime?model=m')
  t.equal(headers?.authorization, 'Bearer key-of-the-pool')
  t.notMatch(JSON.stringify(headers), new RegExp(`evil|mine|a=b|rank|${token.slice(0, 20)}`))
  caller.socket.close()
  await caller.closed
  t.equal(headers?.['x-request-id'], (await s.audit())['http.request.id'])
})

t.test('whoever may not is refused before the upgrade, and the engine hears nothing', async t => {
  const s = await scene(t)
  for (const [claims, path, status, code] of [
    [{ scopes: ['infer:multimodal'] }, '/v1/realtime', 403, 'TOLLGATE_AUTHORIZE_SCOPE'],
    [{ scopes: ['infer:text', 'task:realtime'] }, '/v1/realtime', 403, 'TOLLGATE_AUTHORIZE_SCOPE'],
    [{ scopes: [...SCOPES, 'model:x:inference'] }, '/v1/realtime?model=m', 403, 'TOLLGATE_AUTHORIZE_MODEL'],
    [{ team_id: 'team-b' }, '/v1/realtime', 403, 'TOLLGATE_ROUTE_TEAM'],
    [{}, '/v1/realtime?model=unknown', 404, 'TOLLGATE_ROUTE_MODEL'],
    [{}, '/v1/realtime?model=m&model=other', 400, 'TOLLGATE_INSPECT_QUERY'],
    [{}, '/v1/realtime?api_key=x', 400, 'TOLLGATE_INSPECT_QUERY'],
    [{ exp: Math.floor(Date.now() / 1000) - 60 }, '/v1/realtime', 401, 'TOLLGATE_AUTHENTICATE_INVALID']
  ] as const) {
    const { refusal } = await s.call(path, claims)
    t.equal(refusal?.response.statusCode, status, code)
    t.match(JSON.parse(refusal?.body ?? ''), { error: { message: String } })
  }
  for (const token of [null, 'nonsense']) {
    const { refusal } = await callRealtime(t, `${s.url}/v1/realtime`, token)
    t.equal(refusal?.response.statusCode, 401)
    t.match(refusal?.response.headers['www-authenticate'], /^Bearer/)
  }
  t.match(await s.audit(1), { 'tollgate.code': 'TOLLGATE_AUTHORIZE_SCOPE', 'tollgate.outcome': 'answered' })
  t.equal(s.speech.handshakes.length, 0)
})

t.test('a token in the subprotocol or the query is no token', async t => {
  const s = await scene(t)
  const token = await s.issuer.sign({ scopes: SCOPES })
  const byProtocol = await callRealtime(t, `${s.url}/v1/realtime`, null, {
    headers: { 'sec-websocket-protocol': `realtime, openai-insecure-api-key.${token}` }
  })
  t.equal(byProtocol.refusal?.response.statusCode, 401)
  const byQuery = await callRealtime(t, `${s.url}/v1/realtime?access_token=${token}`, null)
  t.equal(byQuery.refusal?.response.statusCode, 401)
  t.equal(s.speech.handshakes.length, 0)
})

t.test('nothing is passed on before an event has named a model that the token opens', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  for (const early of [AUDIO, COMMIT, { type: 'response.create' }, { type: 'conversation.item.create', item: {} }]) {
    caller.say(early)
    t.match(await caller.next(), { type: 'error', error: { code: 'invalid_value', param: 'type' } })
  }
  caller.say(UPDATE)
  caller.say(AUDIO)
  await s.speech.when(() => s.speech.heard.length === 2)
  t.strictSame(s.speech.heard, [UPDATE, AUDIO])
  caller.say({ type: 'response.create' })
  t.match(
    await caller.next(),
    { type: 'error' },
    'what no engine here knows is refused later too, and the session goes on'
  )
})

t.test(
  'a model that is not allowed ends the session with an event that says so; the engine hears none of it',
  async t => {
    const s = await scene(t)
    for (const [claims, events, code] of [
      [{ scopes: [...SCOPES, 'model:x:inference'] }, [UPDATE], 'model_not_allowed'],
      [{}, [{ ...UPDATE, model: 'm:adapter' }], 'model_not_found'],
      [{}, [UPDATE, { ...UPDATE, model: 'unknown' }], 'model_not_found'],
      [{ scopes: [...SCOPES, 'model:m:inference'] }, [UPDATE, { ...UPDATE, model: 'other' }], 'model_not_allowed'],
      [{}, [{ type: 'session.update' }], 'invalid_value'],
      [{}, [{ ...UPDATE, session: { audio: { input: { transcription: { model: 'other' } } } } }], 'invalid_value'],
      [{}, [{ ...UPDATE, model: 7 }], 'invalid_value'],
      [{}, ['{"type":"session.update","model":"m","model":"other"}'], 'invalid_value'],
      [{}, ['{"type":"session.update","mod\\u0065l":"m","model":"other"}'], 'invalid_value'],
      [{}, [UPDATE, { type: 'input_audio_buffer.append', audio: 7 }], 'invalid_value'],
      [{}, ['not json'], 'invalid_request'],
      [{}, ['[]'], 'invalid_request'],
      [{}, [`{"type":"session.update","model":"m","session":${'['.repeat(100)}${']'.repeat(100)}}`], 'invalid_value']
    ] as const) {
      const caller = await s.call('/v1/realtime', claims)
      await caller.next()
      const heard = s.speech.heard.length
      for (const event of events) caller.say(event)
      t.match(await caller.next(), { type: 'error', error: { code } }, JSON.stringify(events))
      t.equal(await caller.closed, 1008)
      await s.speech.when(() => s.speech.sessions.size === 0)
      t.equal(s.speech.heard.length - heard, events.length - 1)
    }
  }
)

t.test('an alias is written as the name that is served; members that nobody knows are left out and named', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  caller.say({ ...UPDATE, model: 'ears', lora_path: '/x', event_id: 'e1' })
  caller.say({ ...AUDIO, rid: 'x' })
  await s.speech.when(() => s.speech.heard.length === 2)
  t.strictSame(s.speech.heard, [{ type: 'session.update', event_id: 'e1', model: 'm' }, AUDIO])
  caller.socket.close()
  t.match(await s.audit(), { 'gen_ai.request.model': 'm', 'tollgate.removed': 'rid' })
})

t.test('SGLang is told the model that was allowed, also where the caller named it in the URL alone', async t => {
  const s = await scene(t, { flavour: 'sglang' })
  const caller = await s.call('/v1/realtime?model=ears')
  await caller.next()
  caller.say({ type: 'session.update', session: { type: 'transcription', audio: { input: { transcription: null } } } })
  t.match(await caller.next(), { type: 'session.updated' })
  t.strictSame(s.speech.heard[0], {
    type: 'session.update',
    session: { type: 'transcription', audio: { input: { transcription: { model: 'm' } } } }
  })
})

t.test("OpenAI's own library holds a session through the gate, TLS on both sides", async t => {
  const tls = makeCertificate(t)
  const s = await scene(t, { flavour: 'sglang', tls })
  const baseURL = `https://127.0.0.1:${s.port}/v1`
  const client = new OpenAI({ baseURL, apiKey: await s.issuer.sign({ scopes: SCOPES }) })
  const session = new OpenAIRealtimeWS({ model: 'm', options: { ca: tls.cert } }, client)
  t.teardown(() => session.close())
  const completed = new Promise<unknown>((resolve, reject) => {
    session.on('conversation.item.input_audio_transcription.completed', resolve)
    session.on('error', reject)
  })
  await new Promise(resolve => session.socket.on('open', resolve))
  session.send({
    type: 'session.update',
    session: { type: 'transcription', audio: { input: { transcription: { model: 'm' as 'whisper-1' } } } }
  })
  session.send({ type: 'input_audio_buffer.append', audio: AUDIO.audio })
  session.send({ type: 'input_audio_buffer.commit' })
  t.match(await completed, { transcript: 'hi' })
})

t.test('a certificate that nobody vouches for: the engine hears nothing', async t => {
  const tls = makeCertificate(t)
  const speech = await startRealtimeEngine(t, { tls })
  const w = await world(t, {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${speech.origin}"], models: [m] } }
access: { routes: [{ method: GET, path: /v1/realtime, scope: "task:realtime" }] }
teams: { team-a: { pool: p } }`
  })
  const { refusal } = await callRealtime(t, `${w.url}/v1/realtime`, await w.issuer.sign({ scopes: SCOPES }))
  t.equal(refusal?.response.statusCode, 502)
  t.match(await w.audit(), { 'tollgate.code': 'TOLLGATE_FORWARD_TLS' })
  t.equal(speech.handshakes.length, 0)
})

t.test('a session ends when its token expires, with an event that says so', async t => {
  const s = await scene(t)
  const caller = await s.call('/v1/realtime', { exp: Math.floor(Date.now() / 1000) + 2 })
  await caller.next()
  t.match(await caller.next(), { type: 'error', error: { code: 'invalid_api_key' } })
  t.equal(await caller.closed, 1008)
  await s.speech.when(() => s.speech.sessions.size === 0)
  t.match(await s.audit(), { 'tollgate.code': 'TOLLGATE_AUTHENTICATE_ENDED' })
})

t.test('a session ends soon after the key that vouched for its token has left the set of its issuer', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  s.issuer.rotate()
  // Whoever comes with the new key makes the gate look.
  await s.ask('/v1/models', { method: 'GET' })
  t.match(await caller.next(), { type: 'error', error: { code: 'invalid_api_key' } })
  t.equal(await caller.closed, 1008)
})

t.test('a session of whoever is revoked is ended at once where streams are cut, and those of others go on', async t => {
  const s = await scene(t)
  const [mallory, alice] = [
    await s.call('/v1/realtime', { sub: 'mallory' }),
    await s.call('/v1/realtime', { sub: 'alice' })
  ]
  for (const caller of [mallory, alice]) await caller.next()
  await s.built.revocations.add({ sub: 'mallory', cut_streams: true }, { address: '127.0.0.1', by: 'this machine' })
  t.match(await mallory.next(), { type: 'error', error: { message: 'The token was taken back.' } })
  t.equal(await mallory.closed, 1008)
  alice.say(UPDATE)
  alice.say(COMMIT)
  t.match(await alice.next(), { type: 'transcription.delta' })
  const lines = await s.audits(2)
  t.match(lines[0], { 'event.action': 'token.revoke', 'tollgate.revocation.value': 'mallory' })
  t.match(lines[1], { 'user.id': 'mallory', 'tollgate.code': 'TOLLGATE_AUTHENTICATE_REVOKED' })
})

t.test('a message that is too long ends the session and reaches nobody', async t => {
  const s = await scene(t, { yaml: 'requests: { body: { text: 4KiB, multimodal: 8KiB } }' })
  const caller = await s.call()
  await caller.next()
  caller.say(UPDATE)
  caller.say({ ...AUDIO, audio: 'A'.repeat(9_000) })
  t.equal(await caller.closed, 1009)
  await s.speech.when(() => s.speech.sessions.size === 0)
  t.strictSame(s.speech.heard, [UPDATE])
  t.match(await s.audit(), { 'tollgate.code': 'TOLLGATE_INSPECT_SIZE' })
})

t.test('bytes instead of text end the session: no engine takes them', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  caller.say(Buffer.from(JSON.stringify(UPDATE)))
  t.match(await caller.next(), { type: 'error' })
  t.equal(await caller.closed, 1003)
  t.strictSame(s.speech.heard, [])
})

t.test('an engine that refuses, is slow, or is gone is an answer of HTTP in the usual shape', async t => {
  const s = await scene(t, { pool: ', timeouts: { connect: 1s }' })
  for (const [how, status, code] of [
    [{ status: 403 }, 502, 'TOLLGATE_FORWARD_KEY'],
    [{ status: 500, body: 'Traceback: secret' }, 502, 'TOLLGATE_FORWARD_FAILED'],
    [{ status: 404, body: '{"detail":"Not Found"}' }, 404, 'TOLLGATE_FORWARD_REJECTED'],
    [{ status: 503 }, 503, 'TOLLGATE_FORWARD_OVERLOADED'],
    [{ status: 301 }, 502, 'TOLLGATE_FORWARD_ANSWER'],
    ['reset', 503, 'TOLLGATE_FORWARD_UNREACHABLE'],
    ['hang', 503, 'TOLLGATE_FORWARD_CONNECT']
  ] as const) {
    s.speech.refuse(how)
    const { refusal } = await s.call()
    t.equal(refusal?.response.statusCode, status, code)
    t.notMatch(refusal?.body, 'secret')
    t.match(JSON.parse(refusal?.body ?? ''), { error: { message: String } })
  }
  t.match(await s.audit(7), { 'tollgate.code': 'TOLLGATE_FORWARD_CONNECT' })
})

t.test('an engine that breaks off is told of: an event, a close code, and a line in the log', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  for (const session of s.speech.sessions) session.terminate()
  t.match(await caller.next(), { type: 'error', error: { code: 'upstream_error' } })
  t.equal(await caller.closed, 1011)
  t.match(await s.audit(), { 'tollgate.outcome': 'broken', 'tollgate.code': 'TOLLGATE_FORWARD_BROKEN' })
})

t.test('a caller who leaves frees the engine at once, before and after the upgrade', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  caller.socket.terminate()
  await s.speech.when(() => s.speech.sessions.size === 0)
  t.match(await s.audit(), { 'tollgate.outcome': 'client_left' })
  s.speech.refuse('hang')
  const { port, hostname } = new URL(s.url)
  const socket = connect(Number(port), hostname)
  const token = await s.issuer.sign({ scopes: SCOPES })
  socket.write(handshake(token))
  await s.speech.when(() => s.speech.handshakes.length === 2)
  const gone = new Promise(resolve => s.speech.handshakes[1]?.socket.once('close', resolve))
  socket.destroy()
  await gone
  t.match(await s.audit(2), { 'tollgate.outcome': 'client_left' })
})

t.test('a caller who does not read holds back the engine, and the gate keeps little of what is said', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  caller.socket.pause()
  const [engine] = s.speech.sessions
  if (engine === undefined) throw new Error('no session')
  const piece = 'x'.repeat(64 * 1024)
  let sent = 0
  // Until the engine itself is held back: with nobody holding, this goes on for ever.
  while (engine.bufferedAmount < 4 * 1024 * 1024) {
    engine.send(JSON.stringify({ type: 'transcription.delta', delta: piece }))
    sent++
    await new Promise(resolve => setImmediate(resolve))
  }
  caller.socket.resume()
  for (let i = 0; i < sent; i++) t.ok((await caller.next()).delta.length === piece.length)
})

t.test('when the gate must stop, sessions are told so', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  t.equal(s.built.app.transport.inFlight, 1)
  s.built.app.transport.close({ cut: true })
  t.match(await caller.next(), { type: 'error', error: { code: 'server_shutdown' } })
  t.match(await s.audit(), { 'tollgate.code': 'TOLLGATE_FORWARD_SHUTDOWN' })
  t.equal(s.built.app.transport.inFlight, 0)
})

t.test('a session that names no model in its URL needs one pool that has the route', async t => {
  const speech = await startRealtimeEngine(t)
  const w = await world(t, {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools:
  p: { engine: vllm, targets: ["${speech.origin}"], models: [m] }
  q: { engine: vllm, targets: ["${speech.origin}"], models: [other] }
access: { routes: [{ method: GET, path: /v1/realtime, scope: "task:realtime" }] }
teams: { team-a: { pools: [p, q] } }`
  })
  const token = await w.issuer.sign({ scopes: SCOPES })
  const { refusal } = await callRealtime(t, `${w.url}/v1/realtime`, token)
  t.equal(refusal?.response.statusCode, 400)
  t.match(refusal?.body, /\?model=NAME/)
  const caller = await callRealtime(t, `${w.url}/v1/realtime?model=m`, token)
  await caller.next()
  caller.say({ ...UPDATE, model: 'other' })
  t.match(await caller.next(), { error: { code: 'model_not_found' } }, 'a model of another pool is not of this session')
})

t.test('a pool that the route names serves its own models alone', async t => {
  const s = await scene(t, { routePool: ', pool: p' })
  const caller = await s.call()
  await caller.next()
  caller.say({ ...UPDATE, model: 'elsewhere' })
  t.match(await caller.next(), { error: { code: 'model_not_found' } })
})

t.test('the route is a WebSocket alone, and nothing else is one', async t => {
  const s = await scene(t)
  const token = await s.issuer.sign({ scopes: SCOPES })
  const plain = await s.ask('/v1/realtime', { method: 'GET', token })
  t.equal(plain.status, 426)
  t.equal(plain.headers.get('upgrade'), 'websocket')
  for (const path of ['/v1/chat/completions', '/v1/models', '/v1/realtime/', '/v1/realtime%2f', '/V1/realtime', '/']) {
    const { refusal } = await callRealtime(t, s.url + path, token)
    t.equal(refusal?.response.statusCode, 400, path)
  }
  t.equal(s.speech.handshakes.length, 0)
})

const handshake = (token: string, more = '') =>
  `GET /v1/realtime HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer ${token}\r\n${more}\r\n`

t.test('a handshake that can be read in two ways reaches no engine', async t => {
  const s = await scene(t)
  const token = await s.issuer.sign({ scopes: SCOPES })
  const { port, hostname } = new URL(s.url)
  const say = async (bytes: string) => {
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.on('data', piece => {
      text += String(piece)
    })
    socket.on('error', () => {})
    socket.write(bytes)
    await new Promise(resolve => socket.once('close', resolve))
    return text
  }
  for (const [name, bytes] of [
    ['a body', `${handshake(token, 'Content-Length: 5\r\n')}hello`],
    ['a chunked body', `${handshake(token, 'Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n0\r\n\r\n`],
    ['two keys', handshake(token, 'Sec-WebSocket-Key: BBBBBBBBBBBBBBBBBBBBBB==\r\n')],
    ['two versions', handshake(token, 'Sec-WebSocket-Version: 8\r\n')],
    ['another version', handshake(token).replace('Version: 13', 'Version: 8')],
    ['another protocol', handshake(token).replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['two protocols', handshake(token, 'Upgrade: h2c\r\n')],
    ['no key', handshake(token).replace(/Sec-WebSocket-Key.*\r\n/, '')],
    ['two hosts', handshake(token, 'Host: b\r\n')]
  ] as const) {
    t.match(await say(bytes), /^HTTP\/1\.1 400 /, name)
  }
  t.equal(s.speech.handshakes.length, 0)
})

t.test('a handshake behind a request that is not answered yet ends the connection, not the gate', async t => {
  const s = await scene(t)
  await s.engine.script({ kind: 'stall' })
  const token = await s.issuer.sign({ scopes: SCOPES })
  const { port, hostname } = new URL(s.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  s.speech.refuse('hang')
  const closed = new Promise(resolve => socket.once('close', resolve))
  const body = '{"model":"m","messages":[]}'
  const post = `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  socket.write(post + handshake(token))
  await closed
  t.equal((await s.ask('/v1/models', { method: 'GET' })).status, 200, 'the gate is there')
})

t.test('a message that is not whole yet counts among the bodies, and not any more when it has gone on', async t => {
  const s = await scene(t)
  const caller = await s.call()
  await caller.next()
  const held = async () => (await scrapeOf(s)).value('tollgate_body_bytes') ?? 0
  const pad = 'x'.repeat(1_900_000)
  const text = JSON.stringify({ ...UPDATE, pad })
  caller.socket.send(text.slice(0, -10), { fin: false })
  await until(async () => (await held()) > 1_800_000)
  caller.socket.send(text.slice(-10), { fin: true })
  await s.speech.when(() => s.speech.heard.length === 1)
  await until(async () => (await held()) === 0)
})
