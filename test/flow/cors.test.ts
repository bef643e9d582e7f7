import t from 'tap'
import { rawRequest } from '../helpers/raw.ts'
import { open, replace, scene } from '../helpers/two-pools.ts'
import { world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const APP = 'https://app.example.com'
const ASKED = 'authorization, content-type, x-stainless-os, anthropic-version'

const yaml =
  (cors: string) =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
server: { cors: ${cors} }
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }
`
const corsOf = (headers: Headers) => [...headers.keys()].filter(name => name.startsWith('access-control-'))
const preflight = (origin: string) => ({
  method: 'OPTIONS',
  token: null,
  headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': ASKED }
})

t.test('without origins no page is told anything, and a preflight is refused as any stranger', async t => {
  const w = await world(t)
  const answer = await w.ask(CHAT, preflight(APP))
  t.equal(answer.status, 401)
  t.strictSame(corsOf(answer.headers), [])
  t.equal(answer.headers.get('vary'), null)
})

t.test('a page of a configured origin', async t => {
  const w = await world(t, { yaml: yaml(`{ origins: ["${APP}"], max_age: 5m }`) })
  const body = { model: 'm', messages: [] }
  const headers = { origin: APP }
  const isGreeted = (answer: { headers: Headers }) => {
    t.equal(answer.headers.get('access-control-allow-origin'), APP)
    t.equal(answer.headers.get('vary'), 'origin')
    t.match(answer.headers.get('access-control-expose-headers'), /\bx-request-id\b.*\bretry-after\b.*\bx-ratelimit-/)
    t.equal(answer.headers.get('access-control-allow-credentials'), null)
  }

  await t.test('is told what it may do before it has a token, and no engine hears of it', async t => {
    const answer = await w.ask(CHAT, preflight(APP))
    t.equal(answer.status, 204)
    t.equal(await answer.text(), '')
    t.equal(answer.headers.get('access-control-allow-origin'), APP)
    t.match(answer.headers.get('access-control-allow-methods'), /\bPOST\b/)
    t.equal(answer.headers.get('access-control-allow-headers'), ASKED)
    t.equal(answer.headers.get('access-control-max-age'), '300')
    t.equal(answer.headers.get('access-control-allow-credentials'), null)
    t.equal((await w.engine.requests()).length, 0)
    t.match(await w.audit(), { 'http.response.status_code': 204, 'event.outcome': 'success' })
  })

  await t.test('reads answers and streams', async t => {
    await w.engine.script({ kind: 'json', body: { id: 'c', choices: [] } })
    const answer = await w.ask(CHAT, { body, headers })
    t.equal(answer.status, 200)
    isGreeted(answer)
    await answer.text()
    await w.engine.script({ kind: 'serve', events: 2 })
    const stream = await w.ask(CHAT, { body: { ...body, stream: true }, headers })
    isGreeted(stream)
    await stream.text()
    const list = await w.ask('/v1/models', { method: 'GET', headers })
    t.equal(list.status, 200)
    isGreeted(list)
  })

  await t.test('is not told what an engine says of origins', async t => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n'
    const own = 'access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\nvary: accept\r\n'
    await w.engine.script({ kind: 'raw', bytes: `${head}${own}\r\n{}`, after: 'close' })
    const answer = await w.ask(CHAT, { body, headers })
    t.equal(answer.status, 200)
    isGreeted(answer)
  })

  await t.test('reads errors, those before anybody knows who it is included', async t => {
    const stranger = await w.ask(CHAT, { token: null, body, headers })
    t.equal(stranger.status, 401)
    isGreeted(stranger)
    for (const [method, status] of [
      ['HEAD', 404],
      ['OPTIONS', 404],
      ['GET', 404]
    ] as const) {
      const unknown = await w.ask('/nowhere', { method, headers })
      t.equal(unknown.status, status, method)
      isGreeted(unknown)
    }
    const raw = await rawRequest(
      w.port,
      `GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\nOrigin: ${APP}\r\nConnection: close\r\n\r\n`
    )
    t.equal(raw.status, 400)
    t.equal(raw.headers['access-control-allow-origin'], APP)
  })

  await t.test('has no name of a header granted that is none', async t => {
    const answer = await rawRequest(
      w.port,
      `OPTIONS ${CHAT} HTTP/1.1\r\nHost: a\r\nOrigin: ${APP}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: a b; c\r\nConnection: close\r\n\r\n`
    )
    t.equal(answer.status, 204)
    t.equal(answer.headers['access-control-allow-headers'], undefined)
  })

  await t.test('while any other page is told nothing', async t => {
    for (const origin of ['https://app.example.com.evil.example', 'http://app.example.com', 'null']) {
      const asked = await w.ask(CHAT, preflight(origin))
      t.equal(asked.status, 401, origin)
      t.strictSame(corsOf(asked.headers), [])
      const answer = await w.ask('/v1/models', { method: 'GET', headers: { origin } })
      t.equal(answer.status, 200)
      t.strictSame(corsOf(answer.headers), [])
      t.equal(answer.headers.get('vary'), 'origin', 'and no cache gives it the answer of another')
    }
  })
})

t.test('"*" is every page, and never its cookies', async t => {
  const w = await world(t, { yaml: yaml('{ origins: ["*"] }') })
  const answer = await w.ask('/v1/models', { method: 'GET', headers: { origin: 'https://any.example' } })
  t.equal(answer.headers.get('access-control-allow-origin'), '*')
  t.equal(answer.headers.get('vary'), null)
  t.equal(answer.headers.get('access-control-allow-credentials'), null)
  t.equal((await w.ask(CHAT, preflight('https://any.example'))).status, 204)
})

t.test('origins follow a reload', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  const asked = async () =>
    (
      await fetch(`http://127.0.0.1:${s.port}${CHAT}`, {
        method: 'OPTIONS',
        headers: { origin: APP, 'access-control-request-method': 'POST' }
      })
    ).status
  t.equal(await asked(), 401)
  replace(s.file, s.text('a').replace('server: {', `server: { cors: { origins: ["${APP}"] },`))
  gate.child.kill('SIGHUP')
  await gate.says('the configuration was loaded anew')
  t.equal(await asked(), 204)
  t.notMatch(gate.stderr(), /needs a restart/)
})
