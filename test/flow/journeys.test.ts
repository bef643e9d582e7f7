import t from 'tap'
import { makeKey, signWith } from '../helpers/issuer.ts'
import { lineOf, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const BODY = { model: 'm', messages: [{ role: 'user', content: 'hello' }] }

t.test('a call with a token reaches the engine as the caller wrote it, with the path of the table', async t => {
  const w = await world(t)
  const text = '{ "model":"m", "seed": 9223372036854775807, "temperature":1.0, "messages":[] }'
  const answer = await w.ask(CHAT, { body: text })
  t.equal(answer.status, 200)
  const seen = await answer.json()
  t.equal(seen.method, 'POST')
  t.equal(seen.url, CHAT)
  // As it was written, and the salt of its team behind it.
  t.equal(seen.body.replace(/,"cache_salt":"[A-Za-z0-9_-]{43}"/, ''), text)
  t.match(seen.body, '"cache_salt"')
  t.match(answer.headers.get('x-request-id'), /^[0-9a-f-]{36}$/)
  t.equal(answer.headers.get('server'), null)
})

t.test("the caller's token never reaches the engine; the pool's key and our request id do", async t => {
  process.env.TEST_POOL_KEY = 'upstream-secret'
  const w = await world(t, {
    requireKey: 'upstream-secret',
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], api_key: "\${env:TEST_POOL_KEY}" } }
teams: { team-a: { pool: p } }`
  })
  const token = await w.issuer.sign()
  const answer = await w.ask(CHAT, {
    token,
    body: BODY,
    headers: { 'x-vllm-priority': '0', cookie: 'a=b', 'x-request-id': 'mine' }
  })
  const { rawHeaders } = await answer.json()
  const sent = rawHeaders.join('\n')
  t.notMatch(sent, token)
  t.match(sent, /authorization\nBearer upstream-secret/i)
  t.match(sent, String(answer.headers.get('x-request-id')))
  t.notMatch(sent, /priority|cookie|mine/i)
})

t.test('a stream passes event by event and the audit line counts it', async t => {
  const w = await world(t)
  const events = ['data: {"n":1}\n\n', 'data: {"n":2}\n\n', 'data: [DONE]\n\n']
  await w.engine.script({ kind: 'sse', events, gapMs: 30 })
  const answer = await w.ask(CHAT, { body: { ...BODY, stream: true } })
  t.equal(answer.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(answer.headers.get('x-accel-buffering'), 'no')
  const seen: string[] = []
  for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) seen.push(piece)
  t.strictSame(seen, events)
  t.match(await w.audit(), {
    'user.id': 'u-1',
    'organization.id': 'team-a',
    'tollgate.token.iss': w.issuer.url,
    'url.path': CHAT,
    'gen_ai.request.model': 'm',
    'tollgate.stream': true,
    'tollgate.pool': 'p',
    'http.response.status_code': 200,
    'http.response.body.bytes': events.join('').length,
    'tollgate.outcome': 'answered',
    'client.ip': '127.0.0.1'
  })
})

for (const script of [{ kind: 'stall' }, { kind: 'sse', events: ['data: 1\n\n'], after: 'hang' }] as const) {
  t.test(`when the caller leaves (${script.kind}) the engine is told within 100 ms and the audit says so`, async t => {
    const w = await world(t)
    await w.engine.script(script)
    const tookMs: number[] = []
    // More than once only where the machine had other work: whoever leaves is seen to leave each time.
    do {
      const leave = new AbortController()
      const answer = fetch(`${w.url}${CHAT}`, {
        method: 'POST',
        signal: leave.signal,
        headers: { authorization: `Bearer ${await w.issuer.sign()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...BODY, stream: true })
      })
      answer.catch(() => {})
      await w.engine.waitFor('request', tookMs.length + 1)
      if (script.kind === 'sse') await (await answer).body?.getReader().read()
      const leftAtMs = Date.now()
      leave.abort()
      const { atMs } = await w.engine.waitFor('abort', tookMs.length + 1)
      tookMs.push(atMs - leftAtMs)
    } while (Math.min(...tookMs) >= 100 && tookMs.length < 5)
    t.ok(Math.min(...tookMs) < 100, tookMs.join())
    t.match(await w.audit(), { 'tollgate.outcome': 'client_left', 'event.outcome': 'failure', 'user.id': 'u-1' })
  })
}

t.test('whoever has no good token never reaches the engine, and learns no reason', async t => {
  const w = await world(t)
  const nowSec = Math.floor(Date.now() / 1000)
  const stranger = makeKey()
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await w.issuer.sign()).split('.')[1]}.AA`
  const cases: [string, string | null, string | null][] = [
    ['no token', null, null],
    ['broken', 'not-a-token', 'malformed'],
    [
      'another key under our kid',
      await signWith({ ...stranger, kid: w.issuer.key.kid }, { iss: w.issuer.url }),
      'bad_signature'
    ],
    ['none', none, 'alg_rejected'],
    ['expired', await w.issuer.sign({ iat: nowSec - 900, exp: nowSec - 1 }), 'expired'],
    ['not yet valid', await w.issuer.sign({ nbf: nowSec + 300 }), 'not_yet_valid'],
    ['another audience', await w.issuer.sign({ aud: 'other' }), 'audience'],
    ['unknown issuer', await w.issuer.sign({ iss: 'https://evil.example' }), 'unknown_issuer'],
    ['lives too long', await w.issuer.sign({ exp: nowSec + 7200 }), 'lifetime'],
    ['too long', `${'a'.repeat(9000)}.b.c`, 'too_long']
  ]
  for (const [name, token, reason] of cases) {
    const answer = await w.ask(CHAT, { token, body: BODY })
    t.equal(answer.status, 401, name)
    t.match(
      answer.headers.get('www-authenticate'),
      token === null ? /^Bearer realm="tollgate"$/ : /error="invalid_token"$/
    )
    const { error } = await answer.json()
    t.equal(error.code, 'invalid_api_key')
    t.equal(error.message, token === null ? 'A bearer token is required.' : 'The token is not valid.')
    const line = await lineOf(w, answer.headers.get('x-request-id'))
    t.equal(line['event.reason'], reason ?? 'TOLLGATE_AUTHENTICATE_MISSING', name)
    t.notMatch(JSON.stringify(line), token ?? 'Bearer')
  }
  t.strictSame(await w.engine.requests(), [])
})

t.test('a missing scope is 403 insufficient_scope, a foreign team 403, a foreign model 404', async t => {
  const w = await world(t)
  const scopeless = await w.ask(CHAT, { token: await w.issuer.sign({ scopes: [] }), body: BODY })
  t.equal(scopeless.status, 403)
  t.match(scopeless.headers.get('www-authenticate'), 'error="insufficient_scope", scope="infer:text"')
  const team = await w.ask(CHAT, { token: await w.issuer.sign({ team_id: 'other' }), body: BODY })
  t.equal(team.status, 403)
  t.equal((await team.json()).error.code, 'team_not_allowed')
  const model = await w.ask(CHAT, { body: { ...BODY, model: 'other' } })
  t.equal(model.status, 404)
  t.match((await model.json()).error, { code: 'model_not_found', param: 'model' })
  const picture = { role: 'user', content: [{ type: 'text', uuid: 'x', image_url: 'data:' }] }
  const multimodal = await w.ask(CHAT, { body: { ...BODY, messages: [picture] } })
  t.equal(multimodal.status, 403)
  t.match(multimodal.headers.get('www-authenticate'), 'scope="infer:multimodal"')
  t.strictSame(await w.engine.requests(), [])
})

t.test(
  'keys that cannot be fetched are 503 with Retry-After, never 401; when they come, the same token opens',
  async t => {
    const w = await world(t, { prepare: issuer => issuer.fail('status') })
    const token = await w.issuer.sign()
    const waiting = await w.ask(CHAT, { token, body: BODY })
    t.equal(waiting.status, 503)
    t.ok(waiting.headers.get('retry-after'))
    t.equal(waiting.headers.get('www-authenticate'), null)
    t.equal((await waiting.json()).error.code, 'keys_unavailable')
    t.match(await w.audit(), { 'event.reason': 'keys_unavailable', 'tollgate.code': 'TOLLGATE_AUTHENTICATE_KEYS' })
    w.issuer.fail(null)
    await w.built.ready()
    t.equal((await w.ask(CHAT, { token, body: BODY })).status, 200)
  }
)

t.test('bad bodies are refused before the engine is called', async t => {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
requests: { body: { text: 1KiB, multimodal: 2KiB } }
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m] } }
teams: { team-a: { pool: p } }`
  })
  const json = { 'content-type': 'application/json' }
  const cases: [string, number, unknown, Record<string, string>?][] = [
    ['no JSON', 400, '{"model":'],
    ['no object', 400, '[1]'],
    ['no UTF-8', 400, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), json],
    ['a byte order mark', 400, '\ufeff{"model":"m"}'],
    ['the model twice', 400, '{"model":"m","mod\\u0065l":"x"}'],
    ['no model', 400, '{}'],
    ['too large', 413, JSON.stringify({ model: 'm', x: 'y'.repeat(2000) })],
    ['another type', 415, '{"model":"m"}', { 'content-type': 'text/plain' }],
    ['an encoding', 415, '{"model":"m"}', { ...json, 'content-encoding': 'gzip' }],
    ['too deep', 400, `{"model":"m","x":${'['.repeat(100)}${']'.repeat(100)}}`],
    ['a number for model', 400, '{"model":1}'],
    ['a text for stream', 400, '{"model":"m","stream":"yes"}']
  ]
  for (const [name, status, body, headers] of cases) {
    const answer = await w.ask(CHAT, { body, ...(headers === undefined ? {} : { headers }) })
    t.equal(answer.status, status, name)
    t.ok((await answer.json()).error.message, name)
  }
  t.strictSame(await w.engine.requests(), [])
})

t.test("the list of models is the gate's own and shows what this token may use", async t => {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"] } }
teams: { team-a: { pool: p } }`,
    models: ['a', 'b', 'org/c:1']
  })
  const names = async (claims: Record<string, unknown>) => {
    const answer = await w.ask('/v1/models', { method: 'GET', token: await w.issuer.sign(claims) })
    t.equal(answer.status, 200)
    return (await answer.json()).data.map((model: { id: string }) => model.id)
  }
  t.strictSame(await names({}), ['a', 'b', 'org/c:1'])
  t.strictSame(await names({ scopes: ['model:org/c:1:inference'] }), ['org/c:1'])
  t.strictSame(await names({ scopes: ['infer:text', 'model:*:inference'] }), ['a', 'b', 'org/c:1'])
  t.strictSame(await names({ scopes: [] }), [])
  const one = async (path: string, claims: Record<string, unknown> = {}) => {
    const answer = await w.ask(`/v1/models/${path}`, { method: 'GET', token: await w.issuer.sign(claims) })
    return answer.status === 200 ? (await answer.json()).id : answer.status
  }
  t.equal(await one('a'), 'a')
  t.equal(await one('org/c:1'), 'org/c:1')
  t.equal(await one('org%2Fc:1'), 'org/c:1', 'as the OpenAI libraries write it')
  t.equal(await one('b', { scopes: ['model:a:inference'] }), 404)
  t.equal(await one('x'), 404)
  t.strictSame(await w.engine.requests(), [])
})

t.test('an engine that refuses, resets, redirects or talks nonsense: our code, no address in the body', async t => {
  const w = await world(t)
  const cases = [
    [{ kind: 'reset' }, 502],
    [{ kind: 'garbage' }, 502],
    [{ kind: 'status', status: 307, headers: { location: 'http://10.0.0.9/' } }, 502],
    [{ kind: 'status', status: 401 }, 502]
  ] as const
  for (const [script, status] of cases) {
    await w.engine.script(script)
    const answer = await w.ask(CHAT, { body: BODY })
    const text = await answer.text()
    t.equal(answer.status, status, script.kind)
    t.equal(JSON.parse(text).error.code, 'upstream_error')
    t.notMatch(text, /127\.0\.0\.1|10\.0\.0\.9|ECONN/)
  }
  await w.engine.kill()
  // The first call may still meet the connection that died with the engine; the second cannot.
  t.ok((await w.ask(CHAT, { body: BODY })).status >= 502)
  const gone = await w.ask(CHAT, { body: BODY })
  t.equal(gone.status, 503)
  t.ok(gone.headers.get('retry-after'))
  t.notMatch(await gone.text(), /127\.0\.0\.1|ECONN/)
})
