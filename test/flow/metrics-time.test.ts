import t from 'tap'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { type Scrape, scrapeOf } from '../helpers/scrape.ts'
import { type World, world } from '../helpers/world.ts'

const CHAT = '/v1/chat/completions'

const yamlOf =
  (pool: string, more = '') =>
  ({ engine, issuer }: { engine: string; issuer: string }) =>
    `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${engine}"], models: [p], ${pool} } }
${more === '' ? 'teams: { team-a: { pool: p } }' : more}
`

/** Resolves when so many calls wait for a place. */
async function waiting(w: World, count: number): Promise<Scrape> {
  for (;;) {
    const now = await scrapeOf(w)
    if (now.value('tollgate_queue_depth', { pool: 'p', class: 'default' }) === count) return now
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Times of calls are whole milliseconds of a clock that others may set. */
const ROUNDED_SEC = 0.01

t.test('where the time of calls goes: tokens, the wait for a place, connections and questions to engines', async t => {
  const w = await world(t, {
    yaml: yamlOf('health: { every: 1s }, max_inflight: 1')
  })
  const token = await w.issuer.sign()
  const ask = () => w.ask(CHAT, { token, body: { model: 'p', messages: [] } })
  await w.engine.script({ kind: 'held' })
  const first = ask()
  await w.engine.waitFor('request', 1)
  const second = ask()
  let now = await waiting(w, 1)
  t.strictSame(now.series('tollgate_queue_wait_seconds_count'), [], 'the first did not wait, the second does still')
  t.equal(now.value('tollgate_inflight_age_requests', { over: '1h' }), 0)
  await w.engine.release()
  await first
  await w.engine.waitFor('request', 2)
  await w.engine.release()
  await second
  await w.audits(2)
  now = await scrapeOf(w)
  t.equal(now.value('tollgate_queue_wait_seconds_count', { pool: 'p', class: 'default' }), 1)
  t.equal(now.value('tollgate_auth_seconds_count', { path: 'verify' }), 1)
  t.equal(now.value('tollgate_auth_seconds_count', { path: 'cache' }), 1)
  t.ok((now.value('tollgate_upstream_connect_seconds_count', { pool: 'p' }) ?? 0) >= 1)
  t.equal(now.value('tollgate_request_body_bytes_count', { model: 'p' }), 2)
  while (now.sum('tollgate_upstream_health_check_seconds_count', { pool: 'p' }) === 0) {
    await new Promise(resolve => setTimeout(resolve, 20))
    now = await scrapeOf(w)
  }
})

t.test(
  'the overhead is the own time of the gate: neither the wait for a place nor the engine is part of it',
  async t => {
    const w = await world(t, { yaml: yamlOf('max_inflight: 1') })
    await w.engine.script({ kind: 'held' })
    const first = w.ask('/v1/completions', { body: { model: 'p', prompt: 'a' } })
    await w.engine.waitFor('request', 1)
    const second = w.ask(CHAT, { body: { model: 'p', messages: [] } })
    await waiting(w, 1)
    // Long, beside what the engine takes once it is let go.
    await new Promise(resolve => setTimeout(resolve, 300))
    await w.engine.release()
    await first
    await w.engine.waitFor('request', 2)
    await w.engine.release()
    await second
    await w.ask(CHAT, { token: null, body: {} })
    await w.audits(3)
    const now = await scrapeOf(w)
    t.equal(now.sum('tollgate_gateway_overhead_seconds_count'), 2, 'what is refused never goes out')
    const own = now.sum('tollgate_gateway_overhead_seconds_sum', { op: 'chat' })
    const waited = now.sum('tollgate_queue_wait_seconds_sum')
    const all = now.sum('tollgate_request_duration_seconds_sum', { op: 'chat' })
    t.ok(own > 0)
    t.ok(waited > 0.29, String(waited))
    t.ok(own + waited <= all + ROUNDED_SEC, `${own} + ${waited} of ${all}`)
  }
)

t.test('nor is the wait for a store of limits, also for one that does not answer', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const more = `teams: { team-a: { pool: p, limits: { rpm: 1M } } }\nstore: { url: "${server.url}" }`
  const w = await world(t, { yaml: yamlOf('health: { every: 1h }', more) })
  const token = await w.issuer.sign()
  const ask = async () => t.equal((await w.ask(CHAT, { token, body: { model: 'p', messages: [] } })).status, 200)
  await ask()
  server.freeze()
  for (let i = 0; i < 3; i++) await ask()
  server.thaw()
  await w.audits(4)
  const now = await scrapeOf(w)
  const own = now.sum('tollgate_gateway_overhead_seconds_sum')
  const waited = now.sum('tollgate_limiter_seconds_sum')
  const all = now.sum('tollgate_request_duration_seconds_sum')
  t.equal(now.sum('tollgate_gateway_overhead_seconds_count'), 4)
  t.ok(waited > 0.05, String(waited))
  t.ok(own + waited <= all + 4 * ROUNDED_SEC, `${own} + ${waited} of ${all}`)
})
