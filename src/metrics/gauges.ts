import type { Families } from './families.ts'
import { OTHER } from './family.ts'
import { readLedger } from './ledger.ts'
import type { Names } from './names.ts'
import type {
  BansSeen,
  ConnectionsSeen,
  LimitsSeen,
  PoolSeen,
  RevocationsSeen,
  RunSeen,
  StoreSeen,
  Surroundings
} from './surroundings.ts'

const TIMEOUTS = ['connect', 'first_byte', 'idle', 'total', 'queue', 'reader'] as const
const AGES = { '10s': 10_000, '1m': 60_000, '5m': 300_000, '30m': 1_800_000, '1h': 3_600_000 }
/** Counters of alerts exist before the first event: one that begins at 100 has no increase. A refused token has no proven issuer. */
const FORGERIES = ['bad_signature', 'alg_rejected', 'unknown_kid'] as const
const REJECTIONS = ['full', 'share', 'late', 'busy'] as const

/** Makes what reads everything that is not counted by requests: gauges, and counters that a room keeps itself. */
export function createReader(
  families: Families,
  around: Surroundings,
  { teams, models }: { readonly teams: Names; readonly models: Names }
): (run: RunSeen) => void {
  const set = (name: TotalName, value: number) => {
    families.of(name).at().value = value
  }

  const raise = (
    name: `tollgate_upstream_${'healthy' | 'circuit_open' | 'paused'}`,
    place: readonly [string, string],
    is: boolean
  ) => {
    const one = families.of(name).at(...place)
    one.value = Math.max(one.value, Number(is))
  }

  function readPool(pool: PoolSeen): void {
    const { name, queue, targets } = pool
    // They show from the beginning on: what begins at 1 is no increase.
    for (const which of TIMEOUTS) families.of('tollgate_timeouts_total').expect(name, which)
    for (const { class: among, waiting } of queue.depths()) {
      families.of('tollgate_queue_depth').at(name, among).value = waiting
      for (const reason of REJECTIONS) families.of('tollgate_queue_rejections_total').expect(name, among, reason)
    }
    for (const { target, inFlight, health, pauses, teamsWithout } of targets) {
      const place = [name, target.origin] as const
      // Addresses of one name are one series: their names would be without bound.
      raise('tollgate_upstream_healthy', place, health.stateAt(around.nowMs()) === 'up')
      raise('tollgate_upstream_circuit_open', place, health.isEjected)
      families.of('tollgate_upstream_circuit_open_teams').at(...place).value += teamsWithout
      raise('tollgate_upstream_paused', place, pauses.lastUntil(around.nowMs()) > 0)
      families.of('tollgate_upstream_active').at(...place).value += inFlight
      families.of('tollgate_upstream_pending').at(...place)
    }
  }

  function readCalls(): void {
    const nowMs = around.nowMs()
    for (const over of Object.keys(AGES)) families.of('tollgate_inflight_age_requests').at(over)
    for (const exchange of around.calls()) {
      const { call, target } = exchange.known
      if (call === undefined || target === undefined) continue
      const stream = String(call.isStream)
      families.of('tollgate_inflight_requests').at(target.pool, models.label(call.model), stream).value++
      for (const [over, ageMs] of Object.entries(AGES)) {
        if (nowMs - exchange.startedAtMs > ageMs) families.of('tollgate_inflight_age_requests').at(over).value++
      }
      if (exchange.firstByteAtMs === null) {
        families.of('tollgate_upstream_pending').at(target.pool, target.origin).value++
      }
    }
  }

  function readKeys(): void {
    for (const result of FORGERIES) families.of('tollgate_auth_total').expect(result, OTHER)
    for (const { name, ageMs, kids, loads } of around.keySets()) {
      families.of('tollgate_jwks_keys').at(name).value = kids.length
      if (loads === null) continue
      families.of('tollgate_jwks_refresh_total').at(name, 'success').value = loads.done
      families.of('tollgate_jwks_refresh_total').at(name, 'failure').value = loads.failed
      if (ageMs === null) continue
      families.of('tollgate_jwks_last_success_timestamp_seconds').at(name).value = (around.nowMs() - ageMs) / 1000
    }
  }

  function readMintKeys(): void {
    const keys = around.mintKeys()
    if (keys === null) return
    const counts = { next: 0, waiting: 0, signing: 0, retired: 0, gone: 0 }
    for (const { state, sinceMs } of keys) {
      counts[state]++
      if (state !== 'signing') continue
      families.of('tollgate_mint_signing_key_age_seconds').at().value = Math.max(0, around.nowMs() - sinceMs) / 1000
    }
    for (const state of ['next', 'waiting', 'signing', 'retired'] as const) {
      families.of('tollgate_mint_keys').at(state).value = counts[state]
    }
  }

  function readSinks(): void {
    for (const { name, isOurs, lagMs, failures, shipped, dead } of around.sinks()) {
      if (isOurs) families.of('tollgate_export_lag_seconds').at(name).value = lagMs / 1000
      families.of('tollgate_export_failures_total').at(name).value = failures
      families.of('tollgate_export_records_total').at(name, 'taken').value = shipped
      families.of('tollgate_export_records_total').at(name, 'refused').value = dead
    }
  }

  function readLimits({ decisions, budgetsOf, leases, store }: LimitsSeen): void {
    for (const { policy, scope, resource, counts } of decisions) {
      for (const [decision, count] of Object.entries(counts)) {
        families.of('tollgate_limit_decisions_total').at(policy, scope, resource, decision).value = count
      }
    }
    for (const team of teams.all()) {
      for (const { budget, ratio } of budgetsOf(team)) {
        families.of('tollgate_budget_used_ratio').at(team, budget).value = ratio
      }
    }
    set('tollgate_limit_leases', leases)
    set('tollgate_limiter_fallback_active', Number(store !== null && (store.store === 'away' || !store.answers)))
    set('tollgate_limiter_unanswered_total', store?.unanswered ?? 0)
    set('tollgate_limiter_owed', store?.owed ?? 0)
    set('tollgate_limiter_dropped_total', store?.dropped ?? 0)
    set('tollgate_limiter_gates', store?.gates ?? 1)
  }

  function readStore({ answers, warnings }: StoreSeen): void {
    for (const [use, isUp] of Object.entries(answers)) families.of('tollgate_redis_up').at(use).value = Number(isUp)
    set('tollgate_store_warnings', warnings.length)
  }

  function readBans({ imposed, active, evictedCounters, evictedBans }: BansSeen): void {
    for (const [reason, count] of imposed) families.of('tollgate_ip_bans_total').at(reason).value = count
    set('tollgate_ip_bans_active', active)
    families.of('tollgate_ip_ban_evictions_total').at('counter').value = evictedCounters
    families.of('tollgate_ip_ban_evictions_total').at('ban').value = evictedBans
  }

  function readConnections({ open, max, refused, errors }: ConnectionsSeen): void {
    for (const [state, count] of Object.entries(open)) families.of('tollgate_connections').at(state).value = count
    set('tollgate_connections_max', max)
    for (const [limit, count] of Object.entries(refused)) {
      families.of('tollgate_connections_refused_total').at(limit).value = count
    }
    for (const [code, count] of errors) families.of('tollgate_connection_errors_total').at(code).value = count
  }

  function readRevocations({ active, file, keep, store }: RevocationsSeen): void {
    for (const [kind, count] of Object.entries(active)) families.of('tollgate_revocations').at(kind).value = count
    set('tollgate_revocation_file_last_load_successful', Number((file?.fault ?? null) === null))
    set('tollgate_revocations_unkept', Number((keep?.fault ?? null) !== null))
    set('tollgate_revocations_untold', store?.untold ?? 0)
  }

  function readRun({ isDraining, reload, logs, adminRefused }: RunSeen): void {
    set('tollgate_audit_dropped_total', logs.audit.dropped)
    set('tollgate_log_dropped_total', logs.operator.dropped)
    families.of('tollgate_log_held_bytes').at('audit').value = logs.audit.heldBytes
    families.of('tollgate_log_held_bytes').at('operator').value = logs.operator.heldBytes
    set('tollgate_config_restart_pending', reload.pendingRestart.length)
    set('tollgate_draining', Number(isDraining))
    for (const [reason, count] of Object.entries(adminRefused)) {
      families.of('tollgate_admin_refused_total').at(reason).value = count
    }
    set('tollgate_config_last_reload_successful', Number(reload.last?.ok ?? true))
    set('tollgate_config_last_reload_timestamp_seconds', reload.loadedAtMs / 1000)
    families.of('tollgate_config_info').at(reload.hash).value = 1
    families.of('tollgate_config_reloads_total').at('success').value = reload.reloads
    families.of('tollgate_config_reloads_total').at('failure').value = reload.failures
  }

  return run => {
    for (const name of READ) families.of(name).clear()
    for (const pool of around.pools()) readPool(pool)
    readCalls()
    readKeys()
    readMintKeys()
    readSinks()
    readRun(run)
    readLimits(around.limits())
    const store = around.store()
    if (store !== null) readStore(store)
    readBans(around.bans())
    readConnections(around.connections())
    readRevocations(around.revocations())
    const { stats, remembered } = around.tokens()
    set('tollgate_token_cache_hits_total', stats.hits)
    set('tollgate_token_cache_negative_hits_total', stats.negativeHits)
    set('tollgate_token_cache_misses_total', stats.misses)
    set('tollgate_token_cache_evictions_total', stats.evictions)
    set('tollgate_token_cache_entries', remembered)
    const ledger = around.ledger()
    if (ledger !== null) readLedger(families, ledger)
    const { level, memory, bodyBytes } = around.load()
    set('tollgate_overload_level', level)
    set('tollgate_memory_used_ratio', memory)
    set('tollgate_body_bytes', bodyBytes)
  }
}

/** What is made anew for each reader: what is gone from the configuration is gone here too. */
const READ = [
  'tollgate_inflight_requests',
  'tollgate_inflight_age_requests',
  'tollgate_queue_depth',
  'tollgate_budget_used_ratio',
  'tollgate_upstream_healthy',
  'tollgate_upstream_circuit_open',
  'tollgate_upstream_circuit_open_teams',
  'tollgate_upstream_paused',
  'tollgate_upstream_active',
  'tollgate_upstream_pending',
  'tollgate_jwks_refresh_total',
  'tollgate_jwks_last_success_timestamp_seconds',
  'tollgate_jwks_keys',
  'tollgate_export_lag_seconds',
  'tollgate_config_info'
] as const

type TotalName =
  | 'tollgate_overload_level'
  | 'tollgate_memory_used_ratio'
  | 'tollgate_body_bytes'
  | 'tollgate_draining'
  | 'tollgate_config_last_reload_successful'
  | 'tollgate_config_last_reload_timestamp_seconds'
  | 'tollgate_token_cache_hits_total'
  | 'tollgate_token_cache_negative_hits_total'
  | 'tollgate_token_cache_misses_total'
  | 'tollgate_token_cache_evictions_total'
  | 'tollgate_token_cache_entries'
  | 'tollgate_audit_dropped_total'
  | 'tollgate_log_dropped_total'
  | 'tollgate_config_restart_pending'
  | 'tollgate_limit_leases'
  | 'tollgate_ip_bans_active'
  | 'tollgate_connections_max'
  | 'tollgate_limiter_fallback_active'
  | 'tollgate_limiter_unanswered_total'
  | 'tollgate_limiter_owed'
  | 'tollgate_limiter_dropped_total'
  | 'tollgate_limiter_gates'
  | 'tollgate_revocation_file_last_load_successful'
  | 'tollgate_revocations_unkept'
  | 'tollgate_revocations_untold'
  | 'tollgate_store_warnings'
