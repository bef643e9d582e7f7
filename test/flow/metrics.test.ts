import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { freePort } from '../helpers/ports.ts'
import { openRaw } from '../helpers/raw.ts'
import { readScrape, scrapeOf } from '../helpers/scrape.ts'
import { open, replace, scene } from '../helpers/two-pools.ts'
import { type World, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'
const NO_PROBES = 'health: { every: 1h }'

/** Takes connections and says nothing, so that no certificate is ever shown. */
async function silentPort(t: Test): Promise<number> {
  const server = createServer(socket => socket.on('error', () => {})).unref()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

/** One pool for each entry, named like its model. */
const poolsYaml =
  (pools: Readonly<Record<string, string>>) =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ name: corp, issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools:
${Object.entries(pools)
  .map(([name, more]) => {
    const targets = more.includes('targets:') ? '' : `targets: ["${engine}"], `
    return `  ${name}: { engine: vllm, ${targets}models: [${name}], ${NO_PROBES}, ${more} }`
  })
  .join('\n')}
teams: { team-a: { pools: [${Object.keys(pools).join(', ')}] } }
`

const chat = (w: World, model: string, more: object = {}) => w.ask(CHAT, { body: { model, messages: [], ...more } })

t.test('every time limit has a value of its own, and shows as 0 before it is met', async t => {
  const silent = await silentPort(t)
  const w = await world(t, {
    limits: { readerStallMs: 300 },
    yaml: poolsYaml({
      connect: `targets: ["https://127.0.0.1:${silent}"], timeouts: { connect: 100ms }`,
      first: 'timeouts: { first_byte: 100ms }',
      idle: 'timeouts: { idle: 300ms }',
      total: 'timeouts: { total: 1s }',
      queue: 'max_inflight: 1, queue: { size: 1, timeout: 500ms }',
      reader: 'timeouts: { total: 60s }'
    })
  })
  const before = await scrapeOf(w)
  const all = [
    ['connect', 'connect'],
    ['first', 'first_byte'],
    ['idle', 'idle'],
    ['total', 'total'],
    ['queue', 'queue'],
    ['reader', 'reader']
  ] as const
  for (const [pool, which] of all) t.equal(before.value('tollgate_timeouts_total', { pool, which }), 0, which)

  t.equal((await chat(w, 'connect')).status, 503)
  await w.engine.script({ kind: 'stall' })
  t.equal((await chat(w, 'first')).status, 504)
  await w.engine.script({ kind: 'sse', events: ['data: 1\n\n'], after: 'hang' })
  t.match(await (await chat(w, 'idle', { stream: true })).text(), /upstream_timeout/)
  await w.engine.script({ kind: 'sse', events: Array.from({ length: 250 }, () => 'data: 1\n\n'), gapMs: 20 })
  t.match(await (await chat(w, 'total', { stream: true })).text(), /upstream_timeout/)
  await w.engine.script({ kind: 'held' })
  const seen = (await w.engine.requests()).length
  const holds = chat(w, 'queue')
  await w.engine.waitFor('request', seen + 1)
  const [late, full] = await Promise.all([chat(w, 'queue'), chat(w, 'queue')])
  t.strictSame([late.status, full.status], [503, 503])
  await w.engine.release()
  t.equal((await holds).status, 200)

  await w.engine.script({ kind: 'flood' })
  const deaf = await openRaw(w.port)
  deaf.pause()
  const body = '{"model":"reader","messages":[]}'
  deaf.write(
    `POST ${CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await w.issuer.sign()}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
  await w.audits(8)
  deaf.destroy()

  const after = await scrapeOf(w)
  const labels = { team: 'team-a', op: 'chat' }
  for (const [pool, which] of all) {
    t.ok((after.value('tollgate_timeouts_total', { pool, which }) ?? 0) >= 1, which)
    t.equal(
      after.sum('tollgate_timeouts_total', { which }),
      after.value('tollgate_timeouts_total', { pool, which }),
      `${which} counts for no other pool`
    )
  }
  t.equal(after.value('tollgate_timeouts_total', { pool: 'reader', which: 'reader' }), 1)
  t.equal(after.value('tollgate_requests_total', { ...labels, model: 'reader', code: '499' }), 1)
  t.equal(after.sum('tollgate_client_disconnects_total'), 0, 'a caller who was cut did not leave')
  t.equal(after.value('tollgate_queue_rejections_total', { pool: 'queue', class: 'default', reason: 'late' }), 1)
  t.equal(after.value('tollgate_queue_rejections_total', { pool: 'queue', class: 'default', reason: 'full' }), 1)
  t.equal(after.value('tollgate_stream_interruptions_total', { pool: 'idle', reason: 'idle_timeout' }), 1)
  t.equal(after.value('tollgate_stream_interruptions_total', { pool: 'total', reason: 'max_duration' }), 1)
  t.equal(after.value('tollgate_errors_total', { code: 'TOLLGATE_FORWARD_FIRST_BYTE' }), 1)
  t.equal(after.value('tollgate_requests_total', { ...labels, model: 'first', code: '504' }), 1)
  t.equal(
    after.value('tollgate_upstream_requests_total', { pool: 'first', target: w.engine.origin, code: 'first_byte' }),
    1
  )
  t.equal(after.value('tollgate_time_to_first_token_seconds_count', { model: 'idle', pool: 'idle' }), 1)
  t.equal(after.sum('tollgate_request_duration_seconds_count'), 8)
})

t.test('a realtime handshake that hangs is a time limit of connecting too', async t => {
  const silent = await silentPort(t)
  const w = await world(t, {
    yaml: at =>
      `${poolsYaml({ p: `targets: ["http://127.0.0.1:${silent}"], timeouts: { connect: 100ms }` })(at)}
access: { routes: [{ method: GET, path: /v1/realtime, scope: "task:realtime" }] }`
  })
  const socket = await openRaw(w.port)
  socket.resume()
  const token = await w.issuer.sign({ scopes: ['infer:multimodal', 'task:realtime'] })
  socket.write(
    `GET /v1/realtime?model=p HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
  )
  t.match(await w.audit(), { 'tollgate.code': 'TOLLGATE_FORWARD_CONNECT' })
  socket.destroy()
  t.equal((await scrapeOf(w)).value('tollgate_timeouts_total', { pool: 'p', which: 'connect' }), 1)
})

t.test('calls, waits and engines that are there now are read when somebody asks', async t => {
  const w = await world(t, { yaml: poolsYaml({ p: 'max_inflight: 2' }) })
  await w.engine.script({ kind: 'serve', events: 3, isHeld: true })
  const streaming = await chat(w, 'p', { stream: true })
  const reader = streaming.body?.getReader()
  await reader?.read()
  await w.engine.script({ kind: 'held' })
  const pending = chat(w, 'p')
  await w.engine.waitFor('request', 2)
  const waiting = chat(w, 'p')
  let now = await scrapeOf(w)
  while (now.value('tollgate_queue_depth', { pool: 'p', class: 'default' }) !== 1) {
    // A scrape alone lets nothing else happen.
    await new Promise(resolve => setImmediate(resolve))
    now = await scrapeOf(w)
  }
  const target = { pool: 'p', target: w.engine.origin }
  t.equal(now.value('tollgate_upstream_active', target), 2)
  t.equal(now.value('tollgate_upstream_pending', target), 1)
  t.equal(now.value('tollgate_upstream_healthy', target), 1)
  t.equal(now.value('tollgate_inflight_requests', { pool: 'p', model: 'p', stream: 'true' }), 1)
  t.equal(now.value('tollgate_inflight_requests', { pool: 'p', model: 'p', stream: 'false' }), 1)
  await reader?.cancel()
  await w.engine.waitFor('abort')
  await w.engine.release()
  await pending
  await w.engine.waitFor('request', 3)
  await w.engine.release()
  await waiting
  await w.audits(3)
  now = await scrapeOf(w)
  t.equal(now.value('tollgate_upstream_active', target), 0)
  t.equal(now.value('tollgate_queue_depth', { pool: 'p', class: 'default' }), 0)
  t.strictSame(now.series('tollgate_inflight_requests'), [])
  t.equal(now.value('tollgate_client_disconnects_total', { model: 'p', phase: 'streaming' }), 1)
})

t.test('an engine that is left out shows, and so do the tries that it cost', async t => {
  const dead = `http://127.0.0.1:${await freePort()}`
  const w = await world(t, {
    yaml: at => poolsYaml({ p: `balance: round_robin, targets: ["${at.engine}", "${dead}"]` })(at)
  })
  for (let i = 0; i < 8; i++) t.equal((await chat(w, 'p')).status, 200)
  await w.audits(8)
  const now = await scrapeOf(w)
  const target = { pool: 'p', target: dead }
  t.equal(now.value('tollgate_upstream_healthy', target), 0)
  t.equal(now.value('tollgate_upstream_circuit_open', target), 1)
  t.equal(now.value('tollgate_upstream_retries_total', { ...target, reason: 'unreachable' }), 3)
  t.equal(now.value('tollgate_upstream_requests_total', { ...target, code: 'unreachable' }), 3)
  t.equal(now.value('tollgate_upstream_requests_total', { pool: 'p', target: w.engine.origin, code: '200' }), 8)
  t.equal(now.value('tollgate_upstream_healthy', { pool: 'p', target: w.engine.origin }), 1)
})

t.test('who was believed, who was not and why, and what the memory of tokens did', async t => {
  const w = await world(t, { yaml: poolsYaml({ p: '' }) })
  const token = await w.issuer.sign()
  for (let i = 0; i < 3; i++) await w.ask(CHAT, { token, body: { model: 'p', messages: [] } })
  await w.ask(CHAT, { token: null, body: {} })
  await w.ask(CHAT, { token: `${token.slice(0, -8)}AAAAAAAA`, body: {} })
  await w.ask(CHAT, { token: await w.issuer.sign({ exp: Math.floor(Date.now() / 1000) - 5 }), body: {} })
  await w.ask(CHAT, { token: await w.issuer.sign({ iss: 'https://elsewhere.example' }), body: {} })
  await w.ask(CHAT, { token: await w.issuer.sign({ team_id: 'nobody' }), body: { model: 'p', messages: [] } })
  await w.ask(CHAT, { token: await w.issuer.sign({ scopes: [] }), body: { model: 'p', messages: [] } })
  await w.audits(9)
  const now = await scrapeOf(w)
  const results = Object.fromEntries(
    now.series('tollgate_auth_total').map(({ labels, value }) => [`${labels.result} ${labels.issuer}`, value])
  )
  t.strictSame(results, {
    'ok corp': 5,
    'missing other': 1,
    'bad_signature other': 1,
    'alg_rejected other': 0,
    'unknown_kid other': 0,
    'expired other': 1,
    'wrong_issuer other': 1
  })
  t.equal(now.value('tollgate_authz_denied_total', { team: 'other', reason: 'unknown_team' }), 1)
  t.equal(now.value('tollgate_authz_denied_total', { team: 'team-a', reason: 'scope' }), 1)
  t.equal(now.value('tollgate_token_cache_hits_total'), 2)
  t.equal(now.value('tollgate_token_cache_entries'), 3)
  t.equal(now.value('tollgate_jwks_keys', { issuer: 'corp' }), 1)
  t.ok((now.value('tollgate_jwks_refresh_total', { issuer: 'corp', result: 'success' }) ?? 0) >= 1)
  t.ok((now.value('tollgate_jwks_last_success_timestamp_seconds', { issuer: 'corp' }) ?? 0) > 1_600_000_000)
})

t.test('tokens are counted as the engine counted them, by team, model and operation', async t => {
  const w = await world(t, { yaml: poolsYaml({ p: '' }) })
  const usage = { prompt_tokens: 11, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 4 } }
  await w.engine.script({ kind: 'json', body: { choices: [], usage } })
  for (let i = 0; i < 2; i++) await chat(w, 'p')
  await w.audits(2)
  const now = await scrapeOf(w)
  const labels = { team: 'team-a', model: 'p', op: 'chat' }
  t.equal(now.value('tollgate_input_tokens_total', labels), 22)
  t.equal(now.value('tollgate_cached_input_tokens_total', labels), 8)
  t.equal(now.value('tollgate_output_tokens_total', labels), 14)
  t.equal(now.value('tollgate_usage_events_total', { pool: 'p', source: 'engine_final', outcome: 'answered' }), 2)
})

t.test('what limits let through and refuse, whose it was, and what is left of budgets', async t => {
  const w = await world(t, {
    yaml: ({ engine, issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [p] } }
teams:
  team-a: { pool: p, limits: { rpm: 2, concurrent: 5 }, budget: { tokens: 10K, per: day } }
  team-b: { pool: p, suspended: true }
limits: { default: { rpm: 1, shadow: true } }
`
  })
  await w.engine.script({ kind: 'json', body: { choices: [], usage: { prompt_tokens: 240, completion_tokens: 10 } } })
  for (const status of [200, 200, 429]) t.equal((await chat(w, 'p')).status, status)
  const token = await w.issuer.sign({ team_id: 'team-b' })
  t.equal((await w.ask(CHAT, { token, body: { model: 'p', messages: [] } })).status, 403)
  await w.audits(4)
  const now = await scrapeOf(w)
  const decisions = Object.fromEntries(
    now
      .series('tollgate_limit_decisions_total')
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [`${labels.policy} ${labels.decision}`, value])
  )
  t.strictSame(decisions, {
    'user.rpm near': 1,
    'user.rpm shadow_deny': 2,
    'team.rpm allow': 1,
    'team.rpm near': 1,
    'team.rpm deny': 1,
    'team.concurrent allow': 2,
    'team.tokens_per_day allow': 2
  })
  t.strictSame(
    now.series('tollgate_limit_refusals_total').map(({ labels }) => labels),
    [
      { team: 'team-a', policy: 'team.rpm', reason: 'rate' },
      { team: 'team-b', policy: 'none', reason: 'suspended' }
    ]
  )
  t.equal(now.value('tollgate_budget_used_ratio', { team: 'team-a', budget: 'tokens_per_day' }), 0.05)
  t.equal(now.value('tollgate_limiter_seconds_count', { backend: 'memory' }), 3)
  t.equal(now.value('tollgate_limit_leases'), 0)
})

t.test(
  'no caller can write a label: neither tokens nor subjects, teams, models or paths that nobody knows',
  async t => {
    const w = await world(t, { yaml: poolsYaml({ p: '' }) })
    const made: string[] = []
    for (let i = 0; i < 30; i++) {
      const [sub, team, model] = [`subject-${i}`, `guessed-team-${i}`, `guessed-model-${i}`]
      const token = await w.issuer.sign({ sub, team_id: i % 2 === 0 ? team : 'team-a', jti: `id-${i}` })
      made.push(sub, team, model, `id-${i}`, token, token.slice(-20))
      await w.ask(CHAT, { token, body: { model, messages: [] } })
      await w.ask(`/v1/guessed-path-${i}`, { token, body: {} })
    }
    await w.audits(60)
    const now = await scrapeOf(w)
    for (const text of [...made, 'guessed-path', '127.0.0.1"', 'u-1', '/v1/']) t.notOk(now.text.includes(text), text)
    t.ok(now.series('tollgate_requests_total').length <= 6, 'and thirty of each make a handful of series')
    t.equal(now.sum('tollgate_requests_total'), 60)
  }
)

t.test(
  'as operators run it: /metrics is there, a faulty file shows and is mended, and what a reload takes away is gone',
  async t => {
    const s = await scene(t)
    const gate = await open(t, s)
    await (await s.ask()).text()
    const scrape = async () => {
      const answer = await fetch(`${s.adminUrl}/metrics`)
      t.equal(answer.status, 200)
      t.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
      return readScrape(await answer.text())
    }
    const until = async (is: (now: Awaited<ReturnType<typeof scrape>>) => boolean) => {
      let now = await scrape()
      while (!is(now)) now = await scrape()
      return now
    }
    const first = await until(now => now.sum('tollgate_requests_total', { code: '200' }) === 1)
    t.equal(first.value('tollgate_config_last_reload_successful'), 1)
    t.ok(first.value('tollgate_upstream_healthy', { pool: 'b', target: s.b.origin }) === 1)
    t.ok((first.value('process_resident_memory_bytes') ?? 0) > 0)
    t.ok(first.value('nodejs_eventloop_lag_p99_seconds') !== undefined)
    t.equal(first.sum('tollgate_build_info', { node: process.version }), 1)

    replace(s.file, s.text('nowhere'))
    gate.child.kill('SIGHUP')
    await gate.says('the last good one stays')
    const faulty = await scrape()
    t.equal(faulty.value('tollgate_config_last_reload_successful'), 0)
    t.equal(faulty.value('tollgate_config_reloads_total', { result: 'failure' }), 1)
    t.equal(
      faulty.value('tollgate_config_last_reload_timestamp_seconds'),
      first.value('tollgate_config_last_reload_timestamp_seconds')
    )

    replace(s.file, s.text('a').replace(/, b: \{.*?\} \}/, ' }'))
    gate.child.kill('SIGHUP')
    await gate.says('the configuration was loaded anew')
    const mended = await scrape()
    t.equal(mended.value('tollgate_config_last_reload_successful'), 1)
    t.equal(mended.value('tollgate_config_reloads_total', { result: 'success' }), 1)
    t.strictSame(
      mended.series('tollgate_upstream_healthy').map(({ labels }) => labels.pool),
      ['a']
    )
    const hashes = [first, mended].map(now => now.series('tollgate_config_info').map(({ labels }) => labels.hash))
    t.equal(hashes[1]?.length, 1)
    t.not(hashes[0]?.[0], hashes[1]?.[0])
    const { hash } = (await (await fetch(`${s.adminUrl}/-/config`)).json()) as { hash: string }
    t.equal(hashes[1]?.[0], hash)

    await s.a.script({ kind: 'sse', events: ['data: 1\n\n'], after: 'hang' })
    const stream = await s.ask({ stream: true })
    gate.child.kill('SIGTERM')
    await until(now => now.value('tollgate_draining') === 1)
    await stream.body?.cancel()
    t.equal(await gate.exit, 0)
  }
)
