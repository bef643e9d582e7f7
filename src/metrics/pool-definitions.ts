const counter = { kind: 'counter' } as const
/** A histogram has some fifteen lines for each label set. */
const MAX_HISTOGRAMS = 50

const gauge = { kind: 'gauge' } as const

/** The metrics of pools, of those who wait for a place there, and of their engines; part of `METRICS`. */
export const POOL_METRICS = {
  tollgate_queue_depth: {
    ...gauge,
    help: 'Calls that wait for a place in a pool now, by class.',
    labels: ['pool', 'class']
  },
  tollgate_queue_wait_seconds: {
    kind: 'histogram',
    help: 'How long calls waited for a place, of those that had to, also when they got none or their callers left meanwhile.',
    labels: ['pool', 'class'],
    max: MAX_HISTOGRAMS,
    buckets: [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300]
  },
  tollgate_queue_rejections_total: {
    ...counter,
    help:
      'Calls that got no place: full (the queue), share (its team has as many waiting as it may), late (waited too long), ' +
      'busy (several engines, and no other, asked for a pause of such calls).',
    labels: ['pool', 'class', 'reason']
  },

  tollgate_upstream_requests_total: {
    ...counter,
    help:
      'Tries at an engine, those that were followed by another included: its status, or how it failed (unreachable, tls, ' +
      'reset, first_byte, …), or 499 when the caller left before.',
    labels: ['pool', 'target', 'code']
  },
  tollgate_upstream_retries_total: {
    ...counter,
    help: 'Tries after which the call was sent once more, by what was wrong with the target.',
    labels: ['pool', 'target', 'reason']
  },
  tollgate_upstream_healthy: { ...gauge, help: '1 while an engine gets calls.', labels: ['pool', 'target'] },
  tollgate_upstream_circuit_open: {
    ...gauge,
    help: '1 while an engine is left out because calls failed.',
    labels: ['pool', 'target']
  },
  tollgate_upstream_circuit_open_teams: {
    ...gauge,
    help: 'Teams for which alone an engine is left out, because their calls failed there and those of others did not.',
    labels: ['pool', 'target']
  },
  tollgate_upstream_paused: {
    ...gauge,
    help: 'While an engine has asked for no more calls of some model and team (429 or 503 with Retry-After), 1.',
    labels: ['pool', 'target']
  },
  tollgate_upstream_active: { ...gauge, help: 'Calls of this gate at an engine now.', labels: ['pool', 'target'] },
  tollgate_upstream_pending: {
    ...gauge,
    help: 'Those among them whose answer has not begun.',
    labels: ['pool', 'target']
  },
  tollgate_upstream_connect_seconds: {
    kind: 'histogram',
    help: 'How long connections to engines took to be made, TLS included; those that failed and WebSockets are none.',
    labels: ['pool'],
    max: MAX_HISTOGRAMS,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
  },
  tollgate_upstream_health_check_seconds: {
    kind: 'histogram',
    help: 'How long the answer of an engine took when the gate asked whether it is well; 5 s and more are none.',
    labels: ['pool'],
    max: MAX_HISTOGRAMS,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
  }
} as const
