import t from 'tap'
import { Families } from '../../src/metrics/families.ts'
import { createReader } from '../../src/metrics/gauges.ts'
import { Names } from '../../src/metrics/names.ts'
import type { KeysSeen, PoolSeen, Surroundings } from '../../src/metrics/surroundings.ts'
import { NO_THRESHOLDS } from '../helpers/callers.ts'
import { exchangeTo } from '../helpers/exchanges.ts'
import { poolOf, poolOptions } from '../helpers/pools.ts'
import { NO_LIMITS, NO_REVOCATIONS, RUN, readScrape, SOME_CONNECTIONS } from '../helpers/scrape.ts'

const KEYS: KeysSeen = { name: 'corp', ageMs: 2_000, kids: ['a', 'b'], loads: { done: 3, failed: 1 } }

function scene(around: Partial<Surroundings> = {}) {
  const families = new Families()
  const teams = new Names({ isKnown: () => true, max: 2 })
  for (const team of ['red', 'blue', 'one-too-many']) teams.label(team)
  const read = createReader(
    families,
    {
      nowMs: () => 10_000,
      options: () => NO_THRESHOLDS,
      onCrossing: () => {},
      isTeam: () => false,
      issuers: () => [],
      pools: () => [],
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
      sinks: () => [],
      ...around
    },
    { teams, models: new Names({ isKnown: () => true, max: 10 }) }
  )
  return async (run = RUN) => {
    read(run)
    return readScrape(await families.text())
  }
}

t.test('a pool and a target that are gone are gone at once', async t => {
  let pools: PoolSeen[] = [poolOf(poolOptions('p', ['http://a', 'http://b'])), poolOf(poolOptions('q', ['http://c']))]
  const read = scene({ pools: () => pools })
  t.equal((await read()).series('tollgate_upstream_healthy').length, 3)
  pools = [poolOf(poolOptions('p', ['http://a']))]
  const now = await read()
  for (const name of ['healthy', 'circuit_open', 'active', 'pending']) {
    t.strictSame(
      now.series(`tollgate_upstream_${name}`).map(({ labels }) => labels),
      [{ pool: 'p', target: 'http://a' }],
      name
    )
  }
  t.strictSame(
    now.series('tollgate_queue_depth').map(({ labels }) => labels.pool),
    ['p']
  )
})

t.test('keys: how many, when they were read last, and how often; a shared secret is never read', async t => {
  let keySets = [KEYS, { ...KEYS, name: 'shared', loads: null }]
  const read = scene({ keySets: () => keySets, issuers: () => [{ name: 'corp', issuer: 'https://idp' }] })
  let now = await read()
  t.equal(
    now.value('tollgate_auth_total', { issuer: 'other', result: 'bad_signature' }),
    0,
    'it shows before the first'
  )
  t.equal(now.value('tollgate_jwks_keys', { issuer: 'corp' }), 2)
  t.equal(now.value('tollgate_jwks_last_success_timestamp_seconds', { issuer: 'corp' }), 8)
  t.equal(now.value('tollgate_jwks_refresh_total', { issuer: 'corp', result: 'success' }), 3)
  t.equal(now.value('tollgate_jwks_refresh_total', { issuer: 'corp', result: 'failure' }), 1)
  t.equal(now.value('tollgate_jwks_last_success_timestamp_seconds', { issuer: 'shared' }), undefined)
  keySets = [{ ...KEYS, ageMs: null, kids: [] }]
  now = await read()
  t.strictSame(now.series('tollgate_jwks_last_success_timestamp_seconds'), [], 'never is no time')
  t.equal(now.value('tollgate_jwks_keys', { issuer: 'corp' }), 0)
})

t.test('the last reload, whatever it was, and nothing but one hash', async t => {
  const read = scene()
  t.equal((await read()).value('tollgate_config_last_reload_successful'), 1, 'the first file was good')
  const reload = {
    loadedAtMs: 5_000,
    hash: 'h2',
    last: { ok: false },
    reloads: 2,
    failures: 3,
    pendingRestart: ['audit.to']
  }
  const now = await read({ ...RUN, isDraining: true, reload, adminRefused: { host: 2, token: 1 } })
  t.equal(now.value('tollgate_config_last_reload_successful'), 0)
  t.equal(now.value('tollgate_config_last_reload_timestamp_seconds'), 5)
  t.equal(now.value('tollgate_config_reloads_total', { result: 'failure' }), 3)
  t.strictSame(now.series('tollgate_config_info'), [{ labels: { hash: 'h2' }, value: 1 }])
  t.equal(now.value('tollgate_draining'), 1)
  t.equal(now.value('tollgate_config_restart_pending'), 1)
})

t.test('counters that a room keeps itself are told as they stand', async t => {
  const stats = { hits: 4, negativeHits: 3, misses: 2, evictions: 1 }
  const logs = { audit: { heldBytes: 5, dropped: 9 }, operator: { heldBytes: 6, dropped: 8 } }
  const now = await scene({ tokens: () => ({ stats, remembered: 7 }) })({ ...RUN, logs })
  t.equal(now.value('tollgate_token_cache_hits_total'), 4)
  t.equal(now.value('tollgate_token_cache_negative_hits_total'), 3)
  t.equal(now.value('tollgate_token_cache_misses_total'), 2)
  t.equal(now.value('tollgate_token_cache_evictions_total'), 1)
  t.equal(now.value('tollgate_token_cache_entries'), 7)
  t.equal(now.value('tollgate_audit_dropped_total'), 9)
  t.equal(now.value('tollgate_log_dropped_total'), 8)
  t.equal(now.value('tollgate_log_held_bytes', { log: 'audit' }), 5)
})

t.test('calls that go on for long show by their age, and none is shown too', async t => {
  let nowMs = 0
  const read = scene({ calls: () => [exchangeTo({ engine: 'vllm', operation: 'chat' })], nowMs: () => nowMs })
  const ages = async () => {
    const series = (await read()).series('tollgate_inflight_age_requests')
    return series.map(({ labels, value }) => `${labels.over} ${value}`)
  }
  t.strictSame(await ages(), ['10s 0', '1m 0', '5m 0', '30m 0', '1h 0'])
  nowMs = 60_001
  t.strictSame(await ages(), ['10s 1', '1m 1', '5m 0', '30m 0', '1h 0'])
  nowMs = 7_200_000
  t.strictSame(await ages(), ['10s 1', '1m 1', '5m 1', '30m 1', '1h 1'])
})

t.test('what the gate itself has to do shows', async t => {
  const now = await scene({ load: () => ({ level: 1, memory: 0.5, bodyBytes: 10 }) })()
  t.equal(now.value('tollgate_overload_level'), 1)
  t.equal(now.value('tollgate_memory_used_ratio'), 0.5)
  t.equal(now.value('tollgate_body_bytes'), 10)
})

t.test('sinks: how late they are, by the gate that ships, and what has come of records', async t => {
  const sink = { name: 'lake', isOurs: true, lagMs: 2_500, failures: 3, shipped: 40, dead: 2 }
  let sinks = [sink, { ...sink, name: 'other', isOurs: false }]
  const read = scene({ sinks: () => sinks })
  let now = await read()
  t.equal(now.value('tollgate_export_lag_seconds', { sink: 'lake' }), 2.5)
  t.equal(now.value('tollgate_export_lag_seconds', { sink: 'other' }), undefined, 'another gate knows')
  t.equal(now.value('tollgate_export_failures_total', { sink: 'lake' }), 3)
  t.equal(now.value('tollgate_export_records_total', { sink: 'lake', result: 'taken' }), 40)
  t.equal(now.value('tollgate_export_records_total', { sink: 'lake', result: 'refused' }), 2)
  sinks = [{ ...sink, isOurs: false }]
  now = await read()
  t.strictSame(now.series('tollgate_export_lag_seconds'), [], 'it has passed on to another gate')
})

t.test('what limits have decided, and what teams that are known have used of their budgets', async t => {
  const counts = { allow: 5, near: 4, deny: 3, shadow_deny: 2 }
  const decisions = [{ policy: 'team.rpm', scope: 'team', resource: 'requests', counts }]
  const budgetsOf = (team: string) => [{ budget: 'tokens_per_month', ratio: team === 'red' ? 0.25 : 1.5 }]
  const now = await scene({ limits: () => ({ decisions, budgetsOf, leases: 6, store: null }) })()
  const policy = { policy: 'team.rpm', scope: 'team', resource: 'requests' }
  for (const [decision, count] of Object.entries(counts)) {
    t.equal(now.value('tollgate_limit_decisions_total', { ...policy, decision }), count)
  }
  t.strictSame(now.series('tollgate_budget_used_ratio'), [
    { labels: { team: 'red', budget: 'tokens_per_month' }, value: 0.25 },
    { labels: { team: 'blue', budget: 'tokens_per_month' }, value: 1.5 }
  ])
  t.equal(now.value('tollgate_limit_leases'), 6)
})

t.test(
  'a store that does not answer shows at once, also when it is still asked; without one nothing is down',
  async t => {
    const store = { store: 'there', answers: true, gates: 3, unanswered: 7, owed: 8, dropped: 9 } as const
    const of = (more: { readonly answers?: boolean; readonly store?: 'away' }) => {
      const limits = { ...NO_LIMITS, store: { ...store, ...more } }
      const answers = { connection: true, limits: limits.store.answers }
      return scene({ limits: () => limits, store: () => ({ answers, warnings: ['it may drop keys'] }) })()
    }
    const well = await of({})
    t.equal(well.value('tollgate_redis_up', { use: 'limits' }), 1)
    t.equal(well.value('tollgate_store_warnings'), 1)
    t.equal(well.value('tollgate_limiter_fallback_active'), 0)
    t.equal(well.value('tollgate_limiter_unanswered_total'), 7)
    t.equal(well.value('tollgate_limiter_owed'), 8)
    t.equal(well.value('tollgate_limiter_dropped_total'), 9)
    t.equal(well.value('tollgate_limiter_gates'), 3)
    for (const more of [{ answers: false }, { answers: false, store: 'away' }] as const) {
      const away = await of(more)
      t.equal(away.value('tollgate_redis_up', { use: 'limits' }), 0)
      t.equal(away.value('tollgate_redis_up', { use: 'connection' }), 1)
      t.equal(away.value('tollgate_limiter_fallback_active'), 1)
    }
    const alone = await scene()()
    t.strictSame(alone.series('tollgate_redis_up'), [])
    t.equal(alone.value('tollgate_limiter_fallback_active'), 0)
    t.equal(alone.value('tollgate_limiter_gates'), 1)
  }
)

t.test('bans: how many and why, how many hold, and what was forgotten to make room', async t => {
  const now = await scene()()
  t.equal(now.value('tollgate_ip_bans_total', { reason: 'failures' }), 3)
  t.equal(now.value('tollgate_ip_bans_active'), 2)
  t.equal(now.value('tollgate_ip_ban_evictions_total', { what: 'counter' }), 1)
  t.equal(now.value('tollgate_ip_ban_evictions_total', { what: 'ban' }), 0)
})

t.test(
  'connections: how many and what they wait for, which limit closed others, and what callers did wrong',
  async t => {
    const now = await scene()()
    t.equal(now.value('tollgate_connections', { state: 'handshake' }), 3)
    t.equal(now.value('tollgate_connections', { state: 'idle' }), 0)
    t.equal(now.value('tollgate_connections_max'), 100)
    t.equal(now.value('tollgate_connections_refused_total', { limit: 'address' }), 4)
    t.equal(now.value('tollgate_connections_refused_total', { limit: 'total' }), 0)
    t.equal(now.value('tollgate_connection_errors_total', { code: 'TOLLGATE_ACCEPT_TLS' }), 2)
  }
)

t.test('revocations are counted by kind, and what an operator has to mend is seen', async t => {
  const revocations = {
    active: { jti: 1, sub: 2, team: 3, kid: 4 },
    file: { fault: 'x' },
    keep: { fault: 'EACCES' },
    store: { untold: 5 }
  }
  const now = await scene({ revocations: () => revocations })()
  for (const [kind, count] of Object.entries(revocations.active))
    t.equal(now.value('tollgate_revocations', { kind }), count)
  t.equal(now.value('tollgate_revocation_file_last_load_successful'), 0)
  t.equal(now.value('tollgate_revocations_unkept'), 1)
  t.equal(now.value('tollgate_revocations_untold'), 5)
  t.equal((await scene()()).value('tollgate_revocation_file_last_load_successful'), 1)
})
