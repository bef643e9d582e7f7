import t from 'tap'
import type { Exchange } from '../../src/exchange.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { identityOf, NO_THRESHOLDS } from '../helpers/callers.ts'
import { exchangeTo } from '../helpers/exchanges.ts'
import { poolOf, poolOptions } from '../helpers/pools.ts'
import { NO_LIMITS, NO_REVOCATIONS, RUN, readScrape, SOME_CONNECTIONS } from '../helpers/scrape.ts'

function call(team: string, model: string, operation: string): Exchange {
  const exchange = exchangeTo({ engine: 'vllm', operation })
  exchange.identity = identityOf({ team })
  exchange.call = { ...exchange.call, model }
  return Object.assign(exchange, {
    attempts: 1,
    status: 200,
    ending: 'answered',
    firstByteAtMs: 1,
    endedAtMs: 2,
    usage: {
      source: 'engine_final',
      inputTokens: 1,
      cachedInputTokens: 1,
      outputTokens: 1,
      reasoningTokens: 1,
      audioSeconds: 1
    }
  })
}

function scene() {
  const models = Array.from({ length: 1_000 }, (_, i) => `model-${i}`)
  const config = {
    teams: new Set(Array.from({ length: 1_000 }, (_, i) => `team-${i}`).concat('*')),
    pools: [poolOf(poolOptions('p', ['http://e'], { models }))]
  }
  const metrics = createMetrics({
    nowMs: () => 10_000,
    options: () => NO_THRESHOLDS,
    onCrossing: () => {},
    isTeam: name => config.teams.has(name),
    issuers: () => [{ issuer: 'https://idp', name: 'corp' }],
    pools: () => config.pools,
    calls: () => [],
    keySets: () => [],
    mintKeys: () => null,
    tokens: () => ({ stats: { hits: 0, negativeHits: 0, misses: 0, evictions: 0 }, remembered: 0 }),
    load: () => ({ level: 0, memory: 0, bodyBytes: 0 }),
    limits: () => NO_LIMITS,
    store: () => null,
    bans: () => ({
      imposed: new Map([['failures', 3]]),
      active: 2,
      evictedCounters: 1,
      evictedBans: 0
    }),
    connections: () => SOME_CONNECTIONS,
    revocations: () => NO_REVOCATIONS,
    ledger: () => null,
    sinks: () => []
  })
  return { metrics, config, read: async () => readScrape((await metrics.scrape(RUN)).text) }
}

t.test(
  'a thousand teams with a thousand models: a scrape stays below twenty thousand lines, and its sums are right',
  async t => {
    const { metrics, read } = scene()
    let count = 0
    for (let i = 0; i < 1_000; i++) {
      for (let j = 0; j < 20; j++) {
        metrics.observe(call(`team-${i}`, `model-${(i * 7 + j * 31) % 1_000}`, j % 2 === 0 ? 'chat' : 'completions'))
        count++
      }
    }
    const now = await read()
    t.ok(now.text.split('\n').length < 20_000, `${now.text.split('\n').length} lines`)
    t.equal(now.sum('tollgate_requests_total'), count)
    t.equal(now.sum('tollgate_input_tokens_total'), count)
    t.equal(now.sum('tollgate_request_duration_seconds_count'), count)
    t.ok(now.sum('tollgate_metric_series_dropped_total', { metric: 'tollgate_input_tokens_total' }) > 0)
    const teams = new Set(now.series('tollgate_requests_total').map(({ labels }) => labels.team))
    t.equal(teams.size, 201, 'two hundred teams and other')
  }
)

t.test('a team that is any other has no name here, nor has the star itself', async t => {
  const { metrics, read } = scene()
  metrics.observe(call('stranger', 'model-1', 'chat'))
  metrics.observe(call('*', 'model-1', 'chat'))
  t.equal(
    (await read()).value('tollgate_requests_total', { team: 'other', model: 'model-1', op: 'chat', code: '200' }),
    2
  )
})

t.test('teams that a reload took away make room for those that it brought', async t => {
  const { metrics, config, read } = scene()
  for (let i = 0; i < 200; i++) metrics.observe(call(`team-${i}`, 'model-1', 'chat'))
  config.teams = new Set(['new'])
  await read()
  metrics.observe(call('new', 'model-1', 'chat'))
  const now = await read()
  t.equal(now.sum('tollgate_requests_total', { team: 'new' }), 1)
  t.equal(now.sum('tollgate_requests_total', { team: 'other' }), 0)
})

t.test('when a metric is half full, series of what is gone make room', async t => {
  const { metrics, config, read } = scene()
  for (let i = 0; i < 200; i++) {
    for (let j = 0; j < 16; j++) metrics.observe(call(`team-${i}`, `model-${j}`, 'chat'))
  }
  config.teams = new Set(['team-0'])
  t.equal((await read()).sum('tollgate_requests_total', { team: 'team-7' }), 16, 'the last values are told')
  const now = await read()
  t.equal(now.sum('tollgate_requests_total', { team: 'team-7' }), 0)
  t.equal(now.sum('tollgate_requests_total', { team: 'team-0' }), 16)
})

t.test('the issuer is called as the configuration calls it, and the gate tells its version', async t => {
  const { metrics, read } = scene()
  metrics.observe(call('team-1', 'model-1', 'chat'))
  const now = await read()
  t.equal(now.value('tollgate_auth_total', { result: 'ok', issuer: 'corp' }), 1)
  t.equal(now.sum('tollgate_build_info', { node: process.version }), 1)
})
