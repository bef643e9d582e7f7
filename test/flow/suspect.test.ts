import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createClock } from '../helpers/clock.ts'
import { openRaw } from '../helpers/raw.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { open, replace, scene } from '../helpers/two-pools.ts'
import { type World, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const BODY = { model: 'm', messages: [] }
const ANSWER = {
  kind: 'json' as const,
  body: { id: 'c', choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } }
}

/** A gate behind a proxy, so that callers have addresses of their own, and a clock that stands still. */
async function watched(t: Test, suspicious = '{}', more = '') {
  const clock = createClock(Date.now())
  const w = await world(t, {
    nowMs: clock.nowMs,
    yaml: ({ engine, issuer }) => `
clients: { trusted_proxies: [127.0.0.1] }
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference, max_lifetime: 90d }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], health: { every: 1h } } }
teams: { team-a: { pool: p } }
requests: { body: { text: 1KiB } }
suspicious: ${suspicious}
${more}`
  })
  await w.engine.script(ANSWER)
  let asked = 0
  const ask = async (from: string, path: string, init: Parameters<World['ask']>[1] = {}) => {
    asked++
    const headers = { 'x-forwarded-for': from, ...init.headers }
    const answer = await w.ask(path, { ...init, headers })
    await answer.text()
    return answer
  }
  /** The alerts, when every request so far has its line. */
  const alerts = async () => {
    for (let count = asked; ; count++) {
      const lines = await w.audits(count)
      const requests = lines.filter(line => line['event.kind'] === undefined)
      if (requests.length >= asked) return (await w.audits(lines.length)).filter(line => line['event.kind'] === 'alert')
    }
  }
  return { w, clock, ask, alerts }
}

/** Holds what each place tells of one kind against each other. */
async function isToldOnce(t: Test, { w, alerts }: Awaited<ReturnType<typeof watched>>, kind: string, action = 'log') {
  const told = (await alerts()).filter(line => line['event.action'] === `suspicious.${kind}`)
  t.equal(told.length, 1, `${kind} stands in the audit log once`)
  t.equal(told[0]?.['tollgate.suspicious.action'], action)
  const logged = w.log.filter(line => line.includes('suspicious behaviour') && line.includes(`"kind":"${kind}"`))
  t.equal(logged.length, 1, 'and in the log of the operator')
  t.equal((await scrapeOf(w)).value('tollgate_suspicious_events_total', { kind, action }), 1, 'and is counted')
  return told[0] ?? {}
}

/** Nothing was told. */
async function isQuiet(t: Test, { w, alerts }: Awaited<ReturnType<typeof watched>>) {
  t.strictSame(await alerts(), [], 'nothing is told below the threshold')
  t.notMatch(w.log.join(''), /suspicious/)
}

t.test('forged tokens from one address', async t => {
  const s = await watched(t)
  const token = `${(await s.w.issuer.sign()).slice(0, -8)}AAAAAAAA`
  for (let i = 0; i < 2; i++) t.equal((await s.ask('203.0.113.1', CHAT, { token, body: BODY })).status, 401)
  await isQuiet(t, s)
  for (let i = 0; i < 3; i++) await s.ask('203.0.113.1', CHAT, { token, body: BODY })
  t.match(await isToldOnce(t, s, 'forged_token'), { 'client.ip': '203.0.113.1', 'user.id': null })
  t.notMatch(s.w.log.join(''), new RegExp(token.slice(0, 30)))
})

t.test('one token with alg none is enough', async t => {
  const s = await watched(t)
  const [, claims] = (await s.w.issuer.sign()).split('.')
  const header = Buffer.from('{"alg":"none"}').toString('base64url')
  await s.ask('203.0.113.1', CHAT, { token: `${header}.${claims}.AAAA`, body: BODY })
  t.match(await isToldOnce(t, s, 'forged_token'), { 'tollgate.suspicious.value': 1 })
  t.equal((await scrapeOf(s.w)).sum('tollgate_auth_total', { result: 'alg_rejected' }), 1)
})

t.test('a token that many addresses use', async t => {
  const s = await watched(t)
  const token = await s.w.issuer.sign({ sub: 'anna' })
  for (let i = 1; i <= 5; i++) await s.ask(`203.0.113.${i}`, CHAT, { token, body: BODY })
  await isQuiet(t, s)
  await s.ask('203.0.113.6', CHAT, { token, body: BODY })
  t.match(await isToldOnce(t, s, 'token_sharing'), { 'user.id': 'anna', 'tollgate.token.fp': /^[0-9a-f]{16}$/ })
})

t.test('a token that few addresses of many networks use', async t => {
  const s = await watched(t)
  const token = await s.w.issuer.sign()
  for (let i = 1; i <= 3; i++) await s.ask(`203.${i}.113.1`, CHAT, { token, body: BODY })
  await isQuiet(t, s)
  for (let i = 4; i <= 9; i++) await s.ask(`203.${i}.113.1`, CHAT, { token, body: BODY })
  await isToldOnce(t, s, 'token_sharing')
})

t.test('an address that calls as many subjects', async t => {
  const s = await watched(t, '{ sub_fanout: { after: 4 } }')
  for (let i = 1; i <= 4; i++)
    for (let again = 0; again < 2; again++)
      await s.ask('203.0.113.1', '/v1/models', { method: 'GET', token: await s.w.issuer.sign({ sub: `u-${i}` }) })
  await isQuiet(t, s)
  await s.ask('203.0.113.1', '/v1/models', { method: 'GET', token: await s.w.issuer.sign({ sub: 'u-5' }) })
  t.match(await isToldOnce(t, s, 'sub_fanout'), { 'tollgate.suspicious.value': 5 })
})

t.test('a subject that tries out models', async t => {
  const s = await watched(t)
  const token = await s.w.issuer.sign({ sub: 'anna' })
  for (let i = 1; i <= 10; i++)
    t.equal((await s.ask('203.0.113.1', CHAT, { token, body: { ...BODY, model: `guess-${i}` } })).status, 404)
  for (let i = 0; i < 5; i++) await s.ask('203.0.113.1', CHAT, { token, body: { ...BODY, model: 'guess-1' } })
  await isQuiet(t, s)
  await s.ask('203.0.113.1', CHAT, { token, body: { ...BODY, model: 'guess-11' } })
  t.match(await isToldOnce(t, s, 'model_probing'), { 'user.id': 'anna', 'tollgate.suspicious.value': 11 })
})

t.test('an address that looks for paths', async t => {
  const s = await watched(t)
  for (let i = 1; i <= 20; i++)
    await s.ask('203.0.113.1', `/admin/${i}`, { method: 'GET', ...(i % 2 === 0 ? {} : { token: null }) })
  for (let i = 0; i < 5; i++) await s.ask('203.0.113.1', '/admin/1', { method: 'GET' })
  await isQuiet(t, s)
  await s.ask('203.0.113.1', '/sleep', { method: 'GET' })
  t.match(await isToldOnce(t, s, 'path_probing'), { 'tollgate.suspicious.value': 21 })
})

t.test('a subject that does far more than it ever did', async t => {
  const s = await watched(t, '{ rate_anomaly: { after: 20, within: 1m } }')
  const token = await s.w.issuer.sign({ sub: 'anna', exp: Math.floor(Date.now() / 1000) + 3_600 })
  const call = () => s.ask('203.0.113.1', '/v1/models', { method: 'GET', token })
  for (let minute = 0; minute < 13; minute++) {
    await call()
    s.clock.advance(60_000)
  }
  for (let i = 0; i < 20; i++) await call()
  await isQuiet(t, s)
  for (let i = 0; i < 5; i++) await call()
  t.match(await isToldOnce(t, s, 'rate_anomaly'), { 'user.id': 'anna' })
})

t.test('an address that goes on with an expired token', async t => {
  const s = await watched(t, '{ expired_replay: { after: 5 } }')
  const token = await s.w.issuer.sign({ exp: Math.floor(Date.now() / 1000) - 10 })
  for (let i = 0; i < 5; i++) t.equal((await s.ask('203.0.113.1', CHAT, { token, body: BODY })).status, 401)
  await isQuiet(t, s)
  await s.ask('203.0.113.1', CHAT, { token, body: BODY })
  await isToldOnce(t, s, 'expired_replay')
})

t.test('bodies that are too large, for the gate or for the model', async t => {
  const s = await watched(t, '{ oversize: { after: 4 } }')
  const token = await s.w.issuer.sign({ sub: 'anna' })
  const large = { ...BODY, user: 'x'.repeat(2_000) }
  for (let i = 0; i < 3; i++) t.equal((await s.ask('203.0.113.1', CHAT, { token, body: large })).status, 413)
  const message = "This model's maximum context length is 10 tokens. However, you requested 20 tokens."
  await s.w.engine.script({ kind: 'json', status: 400, body: { object: 'error', message, code: 400 } })
  t.equal((await s.ask('203.0.113.1', CHAT, { token, body: BODY })).status, 400)
  await isQuiet(t, s)
  await s.ask('203.0.113.1', CHAT, { token, body: BODY })
  t.match(await isToldOnce(t, s, 'oversize'), { 'user.id': 'anna', 'tollgate.suspicious.value': 5 })
})

t.test('a token that lives for months', async t => {
  const s = await watched(t)
  const now = Math.floor(Date.now() / 1000)
  for (const days of [1, 30, 30]) {
    const token = await s.w.issuer.sign({ sub: `u-${days}`, exp: now + days * 86_400 })
    t.equal((await s.ask('203.0.113.1', CHAT, { token, body: BODY })).status, 200)
  }
  t.match(await isToldOnce(t, s, 'long_lived_token'), { 'user.id': 'u-30' })
})

t.test('streams that are left before anybody knows what they used', async t => {
  const s = await watched(t, '{ abort_abuse: { after: 5, share: 0.5 } }')
  const token = await s.w.issuer.sign({ sub: 'anna' })
  await s.w.engine.script({ kind: 'stall' })
  const body = JSON.stringify({ ...BODY, stream: true })
  let left = 0
  const leave = async () => {
    const socket = await openRaw(s.w.port)
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.1\r\nAuthorization: Bearer ${token}\r\n`
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await s.w.engine.waitFor('request', ++left)
    socket.destroy()
    await once(socket, 'close')
    await s.w.audits(left)
  }
  for (let i = 0; i < 4; i++) await leave()
  await isQuiet(t, s)
  await leave()
  await s.w.audits(6)
  t.match(await isToldOnce(t, s, 'abort_abuse'), { 'user.id': 'anna', 'tollgate.suspicious.value': 5 })
})

t.test('a throttled subject is refused wherever it comes from, told for how long, and let in again', async t => {
  const s = await watched(t, '{ model_probing: { action: throttle, after: 2, for: 30s } }')
  const token = await s.w.issuer.sign({ sub: 'anna' })
  for (let i = 0; i < 3; i++) await s.ask('203.0.113.1', CHAT, { token, body: { ...BODY, model: `guess-${i}` } })
  await isToldOnce(t, s, 'model_probing', 'throttle')
  s.clock.advance(10_000)
  const refused = await s.ask('203.0.113.9', CHAT, { token, body: BODY })
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('retry-after'), '20')
  const line = (await s.w.audits(5)).at(-1)
  t.match(line, { 'tollgate.code': 'TOLLGATE_SUSPECT_THROTTLED', 'event.reason': 'model_probing', 'user.id': 'anna' })
  const other = await s.w.issuer.sign({ sub: 'bob' })
  t.equal((await s.ask('203.0.113.1', CHAT, { token: other, body: BODY })).status, 200, 'nobody else is')
  s.clock.advance(20_000)
  t.equal((await s.ask('203.0.113.1', CHAT, { token, body: BODY })).status, 200)
})

t.test('a throttled address is refused before its token is looked at', async t => {
  const s = await watched(t, '{ path_probing: { action: throttle, after: 1, for: 30s } }')
  for (const path of ['/a', '/b']) await s.ask('203.0.113.1', path, { method: 'GET', token: null })
  t.equal((await s.ask('203.0.113.1', CHAT, { token: 'nonsense', body: BODY })).status, 429)
  t.equal((await s.ask('203.0.113.2', CHAT, { body: BODY })).status, 200)
  s.clock.advance(30_000)
  t.equal((await s.ask('203.0.113.1', CHAT, { body: BODY })).status, 200)
})

t.test('rules follow a reload', async t => {
  const s = await scene(t)
  const gate = await open(t, s)
  replace(s.file, s.text('a', 'suspicious: { model_probing: { after: 1 } }'))
  gate.child.kill('SIGHUP')
  await gate.says('the configuration was loaded anew')
  for (const model of ['x', 'y']) await (await s.ask({ model })).text()
  await gate.says('suspicious behaviour')
  t.match(gate.stderr(), /"kind":"model_probing","action":"log","value":2,"client":"127.0.0.1","sub":"u-1"/)
  t.notMatch(gate.stderr(), /needs a restart/)
})
