import { readFileSync } from 'node:fs'
import t from 'tap'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { type RevokingGate, startRevokingGates } from '../helpers/revoking-gates.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { until } from '../helpers/stores.ts'
import { world } from '../helpers/world.ts'

const STREAMS = 50

function linesOf({ auditFile }: RevokingGate) {
  const lines = readFileSync(auditFile, 'utf8').trim().split('\n')
  return lines.map(line => JSON.parse(line))
}

t.test(
  'revoking a subject with 100 open streams on two gates ends all of them with an error event within 5 s, and no other stream',
  WITHOUT_REDIS,
  async t => {
    const redis = await startRedis(t)
    const { gates, issuer, engine } = await startRevokingGates(t, {
      count: 2,
      yaml: () => `store: { url: "${redis.url}" }`
    })
    const leaked = await issuer.sign({ sub: 'mallory' })
    const honest = await issuer.sign({ sub: 'alice' })
    const open = (token: string, count: number) =>
      gates.flatMap(gate => Array.from({ length: count }, () => gate.stream(token)))
    const [cut, kept] = [open(leaked, STREAMS), open(honest, 5)]
    await Promise.all([...cut, ...kept].map(({ begun }) => begun))
    const [first, second] = gates as readonly [RevokingGate, RevokingGate]

    const startedAt = performance.now()
    const answer = await first.admin('POST', '', {
      sub: 'mallory',
      issuer: 'corp',
      cut_streams: true,
      reason: 'leaked'
    })
    t.equal(answer.status, 201)
    t.strictSame(answer.body.notes, [])
    const texts = await Promise.all(cut.map(({ text }) => text))
    const tookMs = performance.now() - startedAt
    t.comment(`100 streams on two gates were ended ${Math.round(tookMs)} ms after the revocation`)
    t.ok(tookMs < 5_000)
    for (const text of texts) t.match(text, /data: \{"error":\{"message":"The token was taken back\."/)
    t.equal(await first.status(leaked), 401)
    t.equal(await second.status(leaked), 401)
    await engine.release()
    for (const { text } of kept) t.match(await text, /\[DONE\]/)
    const later = await issuer.sign({ sub: 'mallory', iat: Math.floor(Date.now() / 1000) + 2 })
    t.equal(await second.status(later), 200, 'a token that was issued later is good')

    t.match(
      linesOf(first).find(line => line['event.action'] === 'token.revoke'),
      {
        'tollgate.revocation.kind': 'sub',
        'tollgate.revocation.value': 'mallory',
        'event.reason': 'leaked',
        'tollgate.operator': 'this machine'
      }
    )
    for (const gate of gates) {
      // A line is there when its call has settled, and written a moment later.
      const broken = () => linesOf(gate).filter(line => line['tollgate.code'] === 'TOLLGATE_AUTHENTICATE_REVOKED')
      await until(async () => broken().length === STREAMS)
      t.match(broken()[0], { 'tollgate.outcome': 'broken', 'user.id': 'mallory' })
      await until(async () =>
        linesOf(gate).some(line => line['event.reason'] === 'revoked' && line['http.response.status_code'] === 401)
      )
    }
  }
)

t.test(
  'gates go on with what they know while the store is away, and tell what was made meanwhile',
  WITHOUT_REDIS,
  async t => {
    const redis = await startRedis(t)
    const { gates, issuer } = await startRevokingGates(t, { count: 2, yaml: () => `store: { url: "${redis.url}" }` })
    const [first, second] = gates as readonly [RevokingGate, RevokingGate]
    for (const gate of gates) await until(async () => (await gate.detail()).store.state === 'there')
    const [a, b] = [await issuer.sign({ sub: 'a', jti: 'ja' }), await issuer.sign({ sub: 'b' })]
    t.equal(await second.status(a), 200)
    await first.admin('POST', '', { jti: 'ja' })
    t.equal(await first.status(a), 401, 'at once')
    await until(async () => (await second.status(a)) === 401)

    await redis.kill()
    const { body } = await first.admin('POST', '', { sub: 'b' })
    t.match(body.notes, [/the store does not answer/, /until this gate ends/])
    t.equal(await first.status(b), 401)
    t.equal(await second.status(a), 401, 'what is known stays in force')
    t.equal(await second.status(b), 200)
    await redis.start()
    await until(async () => (await second.status(b)) === 401)
    t.equal((await first.admin('DELETE', `/${body.revocation.id}`)).status, 200)
    await until(async () => (await second.status(b)) === 200)
    t.equal(await first.status(a), 401, 'a store that lost everything is told what gates still know')
    await until(async () => (await second.admin('GET')).body.revocations.length === 1)
  }
)

const BY = { address: '127.0.0.1', by: 'this machine' }
const BODY = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }

t.test('a call that waits for its place, or for its first byte, when its caller is revoked gets 401', async t => {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [m], max_inflight: 1 } }
teams: { team-a: { pool: p } }`
  })
  await w.engine.script({ kind: 'held' })
  const tokens = { mallory: await w.issuer.sign({ sub: 'mallory' }), alice: await w.issuer.sign({ sub: 'alice' }) }
  const ask = (sub: 'mallory' | 'alice') => w.ask('/v1/chat/completions', { body: BODY, token: tokens[sub] })
  const first = ask('mallory')
  await w.engine.waitFor('request')
  const waiting = ask('mallory')
  const areWaiting = (count: number) =>
    until(async () => (await scrapeOf(w)).value('tollgate_queue_depth', { pool: 'p', class: 'default' }) === count)
  await areWaiting(1)
  // Behind the other one: who comes first has the place first.
  const alice = ask('alice')
  await areWaiting(2)
  await w.built.revocations.add({ sub: 'mallory', cut_streams: true }, BY)
  for (const call of [first, waiting]) {
    const answer = await call
    t.equal(answer.status, 401)
    t.match(await answer.json(), { error: { message: 'The token was taken back.' } })
  }
  await w.engine.waitFor('request', 2)
  await w.engine.release()
  t.equal((await alice).status, 200)
  t.equal((await w.engine.requests()).length, 2, 'what waited never reached the engine')
  t.equal((await ask('mallory')).status, 401)
  t.equal((await scrapeOf(w)).value('tollgate_auth_total', { result: 'revoked', issuer: 'other' }), 1)
})

t.test('a stream ends with an event in its own dialect, and without cut_streams it goes on', async t => {
  const w = await world(t)
  await w.engine.script({ kind: 'sse', events: ['event: ping\ndata: {"type":"ping"}\n\n'], after: 'hang' })
  const open = async (path: string, sub: string) => {
    const answer = await w.ask(path, {
      body: { ...BODY, max_tokens: 5, stream: true },
      token: await w.issuer.sign({ sub })
    })
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    await reader.read()
    return reader
  }
  const rest = async (reader: ReadableStreamDefaultReader<Uint8Array>) => {
    let text = ''
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += Buffer.from(piece.value)
    return text
  }
  const messages = await open('/v1/messages', 'mallory')
  await w.built.revocations.add({ sub: 'mallory', reason: 'not cut' }, BY)
  t.equal((await w.built.app.transport.calls()).length, 1, 'it goes on')
  await w.built.revocations.add({ sub: 'mallory', cut_streams: true }, BY)
  t.match(
    await rest(messages),
    'event: error\ndata: {"type":"error","error":{"type":"authentication_error","message":"The token was taken back."}}'
  )
  await w.engine.waitFor('abort')
})

t.test('bad requests to revoke are refused with a sentence', async t => {
  const { gates } = await startRevokingGates(t, { count: 1, yaml: () => '' })
  const [gate] = gates as readonly [RevokingGate]
  t.match(await gate.admin('POST', '', '{ "sub": '), { status: 400, body: { error: /JSON/ } })
  t.match(await gate.admin('POST', '', { sub: 'u', reason: 'x'.repeat(20_000) }), { status: 413 })
  t.match(await gate.admin('POST', '', { sub: 'u', issued_before: '2999-01-01T00:00:00Z' }), {
    status: 422,
    body: { error: /future/ }
  })
  t.match(await gate.admin('DELETE', '/nothing'), { status: 404, body: { error: /nothing is revoked/ } })
})
