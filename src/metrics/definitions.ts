import { BAN_METRICS } from './ban-definitions.ts'
import { CONNECTION_METRICS } from './connection-definitions.ts'
import { HISTOGRAMS } from './histogram-definitions.ts'
import { LEDGER_METRICS } from './ledger-definitions.ts'
import { LIMIT_METRICS } from './limit-definitions.ts'
import { MINT_METRICS } from './mint-definitions.ts'
import { POOL_METRICS } from './pool-definitions.ts'
import { REVOCATION_METRICS } from './revocation-definitions.ts'
import { RUN_METRICS } from './run-definitions.ts'
import { SUSPECT_METRICS } from './suspect-definitions.ts'

/** One metric, as operators read of it and as series are made of it. */
export interface Definition {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram, ascending. */
  readonly buckets?: readonly number[]
  /** The most label sets that it may have, `other` included; `MAX_SERIES` unless given. */
  readonly max?: number
}

/**
 * So many label sets a metric may have; what comes then is counted as `other`. Together they stay below 20 000 lines: twice
 * that blocks the event loop for a tenth of a second with every scrape (operations.md section 3.3).
 */
export const MAX_SERIES = 1_000

/** A histogram has some twenty lines for each label set: busy teams have one of their own, the rest one together. */
const MAX_TEAM_HISTOGRAMS = 80

/** Of calls that are at an engine just now: a series goes with the last of them. */
const MAX_NOW = 200

/** Two ways of leaving, for each of two hundred models. */
const MAX_DISCONNECTS = 400

/** Few models hear or speak, and not every one reasons. */
const MAX_SOUND = 200
const MAX_REASONING = 500

/** Four reasons for each of two hundred teams, `other` and `none`. */
const MAX_DENIALS = 809

/** As many subjects as may be shown, and `other`. */
const MAX_TOP_ROWS = 201

const call = ['team', 'model', 'op'] as const
const counter = { kind: 'counter' } as const
const gauge = { kind: 'gauge' } as const
const histogram = { kind: 'histogram', max: MAX_TEAM_HISTOGRAMS } as const

/**
 * Every metric of the gate; those of the process come from the library. `npm run docs` writes config/METRICS.md from it.
 *
 * `team` and `model` are names of the configuration, or served by an engine, else `other`, or `none` where the request named
 * none. No label ever holds a token, an address of a caller or a path; a subject stands in `tollgate_top_subject_…` alone.
 */
export const METRICS = {
  tollgate_requests_total: {
    ...counter,
    help: 'Requests that have ended, by HTTP status; 499 for a caller who left, or was cut, before the end of the answer.',
    labels: [...call, 'code'],
    max: 3_000
  },
  tollgate_errors_total: {
    ...counter,
    help: 'Requests that were refused or broken, by the code of the error.',
    labels: ['code']
  },
  ...HISTOGRAMS,
  tollgate_inflight_requests: {
    ...gauge,
    help: 'Calls that are at an engine now.',
    labels: ['pool', 'model', 'stream'],
    max: MAX_NOW
  },
  tollgate_inflight_age_requests: {
    ...gauge,
    help: 'Those among them that began more than so long ago: 10s, 1m, 5m, 30m, 1h. One of two hours counts in each.',
    labels: ['over']
  },
  tollgate_client_disconnects_total: {
    ...counter,
    help: 'Callers who left before the end of their answer: before_first_token or streaming.',
    labels: ['model', 'phase'],
    max: MAX_DISCONNECTS
  },
  tollgate_stream_interruptions_total: {
    ...counter,
    help: 'Answers that broke after they had begun: upstream_reset, upstream_error, idle_timeout, max_duration, drain, gate.',
    labels: ['pool', 'reason']
  },
  tollgate_timeouts_total: {
    ...counter,
    help:
      'Time limits that were met: connect, first_byte, idle and total of pools.*.timeouts (retried tries too), queue of ' +
      'pools.*.queue.timeout, reader for a caller who took nothing of its answer.',
    labels: ['pool', 'which']
  },

  tollgate_input_tokens_total: {
    ...counter,
    help: 'Tokens of input as engines counted them, those found in a cache included; with a ledger, guesses too.',
    labels: call
  },
  tollgate_cached_input_tokens_total: {
    ...counter,
    help: 'The part of the input that was found in a cache. Do not add it to the input.',
    labels: call
  },
  tollgate_output_tokens_total: {
    ...counter,
    help: 'Tokens of output as engines counted them, reasoning included; with a ledger, guesses too.',
    labels: call
  },
  tollgate_reasoning_output_tokens_total: {
    ...counter,
    help: 'The part of the output that was reasoning. Do not add it to the output.',
    labels: call,
    max: MAX_REASONING
  },
  tollgate_audio_seconds_total: {
    ...counter,
    help: 'Seconds of sound as engines counted them.',
    labels: ['team', 'model'],
    max: MAX_SOUND
  },
  tollgate_usage_events_total: {
    ...counter,
    help: 'Calls that an engine took and whose usage is read: what it rests on (engine_final, engine_partial, estimated, none), and how the call ended.',
    labels: ['pool', 'source', 'outcome']
  },
  tollgate_sse_unparsed_total: {
    ...counter,
    help: 'Events of streams that could not be read, and went on as they were.',
    labels: ['pool']
  },

  tollgate_top_subject_requests_per_minute: {
    ...gauge,
    help: 'Requests in the last full minute of the subjects with the most, refused ones too. Rows go when they leave.',
    labels: ['sub', 'team'],
    max: MAX_TOP_ROWS
  },
  tollgate_top_subject_tokens_per_minute: {
    ...gauge,
    help: 'Tokens of input and output in the last full minute of the subjects with the most. Rows go when they leave.',
    labels: ['sub', 'team'],
    max: MAX_TOP_ROWS
  },
  tollgate_subject_requests_per_minute: {
    ...histogram,
    help: 'Requests of each subject that called in a minute, observed when the minute is over.',
    labels: ['team'],
    buckets: [1, 3, 10, 30, 60, 120, 300, 600, 1_200, 6_000]
  },
  tollgate_active_subjects: {
    ...gauge,
    help: 'Subjects that called in the last full minute; of all teams together, 10,000 at most are counted.',
    labels: ['team'],
    max: 203
  },
  tollgate_subject_threshold_exceeded_total: {
    ...counter,
    help: 'Subjects that went over a threshold of alerts.per_user, once for each subject and minute.',
    labels: ['team', 'threshold'],
    max: 600
  },
  ...LEDGER_METRICS,

  tollgate_auth_total: {
    ...counter,
    help: 'Tokens judged: ok, or why not. The issuer is the name in the configuration, or other where none is vouched for.',
    labels: ['result', 'issuer']
  },
  tollgate_auth_seconds: {
    kind: 'histogram',
    help:
      'How long tokens took: cache for one that is remembered as good, verify for one whose signature and claims were looked ' +
      'at, whatever came of it, the wait for the keys of its issuer included. One that several calls bring at once counts once.',
    labels: ['path'],
    max: 3,
    buckets: [0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1]
  },
  tollgate_authz_denied_total: {
    ...counter,
    help: 'Calls of good tokens that were not allowed: scope, model, route, unknown_team.',
    labels: ['team', 'reason'],
    max: MAX_DENIALS
  },
  tollgate_token_cache_hits_total: { ...counter, help: 'Tokens that were remembered as good.', labels: [] },
  tollgate_token_cache_negative_hits_total: { ...counter, help: 'Tokens that were remembered as bad.', labels: [] },
  tollgate_token_cache_misses_total: { ...counter, help: 'Tokens that were not remembered as good.', labels: [] },
  tollgate_token_cache_evictions_total: {
    ...counter,
    help: 'Good tokens that were forgotten to make room: raise tokens.cache.entries when it grows.',
    labels: []
  },
  tollgate_token_cache_entries: { ...gauge, help: 'Good tokens that are remembered now.', labels: [] },
  tollgate_jwks_refresh_total: {
    ...counter,
    help: 'How often the keys of an issuer were read: success or failure.',
    labels: ['issuer', 'result']
  },
  tollgate_jwks_last_success_timestamp_seconds: {
    ...gauge,
    help: 'When the keys of an issuer were read last.',
    labels: ['issuer']
  },
  tollgate_jwks_keys: { ...gauge, help: 'Keys of an issuer that are in use.', labels: ['issuer'] },

  ...BAN_METRICS,
  ...CONNECTION_METRICS,
  ...LIMIT_METRICS,
  ...SUSPECT_METRICS,
  ...REVOCATION_METRICS,
  ...POOL_METRICS,
  ...MINT_METRICS,

  ...RUN_METRICS,
  tollgate_overload_level: {
    ...gauge,
    help: 'What is let in: 0 everybody, 1 whose token is remembered, 2 nobody (server.overload).',
    labels: []
  },
  tollgate_memory_used_ratio: {
    ...gauge,
    help: 'What is alive in memory, of what the gate may use: at 0.85 it sheds.',
    labels: []
  },
  tollgate_body_bytes: {
    ...gauge,
    help: 'Memory that request bodies take now: their bytes, and what their parsed JSON takes.',
    labels: []
  },
  tollgate_draining: { ...gauge, help: '1 from the signal to stop on.', labels: [] },
  tollgate_build_info: { ...gauge, help: '1, with the versions of the gate and of Node.', labels: ['version', 'node'] },
  tollgate_admin_refused_total: {
    ...counter,
    help: 'Requests that the admin listener refused: host, forwarded, browser (a page of another origin) or token (a wrong one).',
    labels: ['reason']
  },
  tollgate_export_lag_seconds: {
    ...gauge,
    help:
      'How old the oldest usage is that is on its way to a sink of metering.sinks; 0 when all is there. Of the gate that ' +
      'ships to it; others stand by.',
    labels: ['sink']
  },
  tollgate_export_failures_total: {
    ...counter,
    help: 'Tries to ship usage to a sink that failed; they are made again.',
    labels: ['sink']
  },
  tollgate_export_records_total: {
    ...counter,
    help: 'Usages that a sink has taken, or has refused for what they say: those are in its file of dead letters.',
    labels: ['sink', 'result']
  },
  tollgate_metric_series_dropped_total: {
    ...counter,
    help: 'Values that were counted under other because their metric has all the series that it may have.',
    labels: ['metric']
  }
} as const satisfies Readonly<Record<`tollgate_${string}`, Definition>>

/** The name of a metric. */
export type MetricName = keyof typeof METRICS

/** One value for each label of a metric. */
export type ValuesOf<N extends MetricName> = Texts<(typeof METRICS)[N]['labels']>

type Texts<L extends readonly string[]> = { readonly [I in keyof L]: string }
