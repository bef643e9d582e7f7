import t, { type Test } from 'tap'
import { callRealtime } from '../helpers/realtime-caller.ts'
import { startRealtimeEngine } from '../helpers/realtime-engine.ts'
import { startRedis, WITHOUT_REDIS } from '../helpers/redis.ts'
import { scrapeOf } from '../helpers/scrape.ts'
import { until } from '../helpers/stores.ts'
import { world } from '../helpers/world.ts'

const UPDATE = { type: 'session.update', model: 'm' }
const OTHER = { ...UPDATE, model: 'other' }

/** A gate before an engine that speaks and hears two models. @param limits what is said of limits in the file */
async function scene(t: Test, limits: { team?: string; model?: string; more?: string }) {
  const speech = await startRealtimeEngine(t)
  const w = await world(t, {
    yaml: ({ issuer }) => `
issuers: [{ issuer: "${issuer}", jwks_url: "${issuer}/jwks.json", audience: inference }]
pools: { p: { engine: vllm, targets: ["${speech.origin}"], models: [m, other] } }
models: { m: { aliases: [ears] ${limits.model ?? ''} } }
access: { routes: [{ method: GET, path: /v1/realtime, scope: "task:realtime" }] }
teams: { team-a: { pool: p ${limits.team ?? ''} } }
${limits.more ?? ''}`
  })
  const token = await w.issuer.sign({ scopes: ['infer:multimodal', 'task:realtime'] })
  return {
    ...w,
    speech,
    call: (path = '/v1/realtime') => callRealtime(t, w.url + path, token),
    /** What is left of a limit, as its holder is told. */
    async left(name: string): Promise<number> {
      const { limits } = await (await w.ask('/v1/me/limits', { method: 'GET', token })).json()
      return limits.find((one: { name: string }) => one.name === name).remaining
    }
  }
}

t.test('a session is one request and one call at once, for as long as it lasts', async t => {
  const s = await scene(t, { team: ', limits: { rpm: 10, tpm: 1K, concurrent: 1 }' })
  const first = await s.call()
  await first.next()
  first.say(UPDATE)
  await s.speech.when(() => s.speech.heard.length === 1)
  const { refusal } = await s.call()
  t.equal(refusal?.response.statusCode, 429)
  t.match(JSON.parse(refusal?.body ?? ''), { error: { code: 'concurrency_limit_exceeded' } })
  t.equal(refusal?.response.headers['retry-after'], '1')
  t.equal((await scrapeOf(s)).value('tollgate_limit_leases'), 1)
  first.socket.close()
  await until(async () => (await s.left('team.concurrent')) === 1)
  t.equal(await s.left('team.rpm'), 9)
  // What no engine counts is charged as next to nothing.
  t.ok((await s.left('team.tpm')) >= 999)
  t.equal((await s.call()).refusal, null)
})

t.test('the limits of a model hold for sessions that name it later, and none of it reaches the engine', async t => {
  const s = await scene(t, { team: ', per_model: { m: { concurrent: 1 } }', model: ', limits: { rpm: 2 }' })
  const first = await s.call()
  await first.next()
  first.say({ ...UPDATE, model: 'ears' })
  first.say(OTHER)
  first.say(UPDATE)
  await s.speech.when(() => s.speech.heard.length === 3)
  t.equal(await s.left('team_model.concurrent'), 0, 'and one that names it twice counts once')
  const second = await s.call()
  await second.next()
  second.say(UPDATE)
  t.match(await second.next(), { type: 'error', error: { code: 'concurrency_limit_exceeded' } })
  t.equal(await second.closed, 1008)
  t.equal(s.speech.heard.length, 3)
  // Beside the line of the question for what is left, whichever of them is written first.
  t.ok((await s.audits(2)).some(line => line['tollgate.limit'] === 'team_model.concurrent'))
  first.socket.close()
  await until(async () => (await s.left('team_model.concurrent')) === 1)
  const named = await s.call('/v1/realtime?model=m')
  await named.next()
  named.say(UPDATE)
  await s.speech.when(() => s.speech.heard.length === 4)
  t.equal((await s.call('/v1/realtime?model=m')).refusal?.response.statusCode, 429)
  named.socket.close()
  await until(async () => (await s.left('team_model.concurrent')) === 1)
  const last = await s.call()
  await last.next()
  last.say(UPDATE)
  t.match(await last.next(), { type: 'error', error: { code: 'rate_limit_exceeded' } })
})

t.test('so they do where gates share their limits, and what was drawn is given back', WITHOUT_REDIS, async t => {
  const server = await startRedis(t)
  const s = await scene(t, { team: ', per_model: { m: { concurrent: 1 } }', more: `store: { url: "${server.url}" }` })
  await until(async () => (await scrapeOf(s)).value('tollgate_redis_up', { use: 'limits' }) === 1)
  const first = await s.call()
  await first.next()
  first.say(UPDATE)
  await until(async () => (await s.left('team_model.concurrent')) === 0)
  const second = await s.call()
  await second.next()
  second.say(UPDATE)
  while ((await second.next()).type !== 'error') {}
  t.equal(await second.closed, 1008)
  first.socket.close()
  await until(async () => (await s.left('team_model.concurrent')) === 1)
})
