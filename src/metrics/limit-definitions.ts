/** The metrics of limits; part of `METRICS`. */
export const LIMIT_METRICS = {
  tollgate_limit_decisions_total: {
    kind: 'counter',
    help:
      'What each limit decided about calls that met it: allow, near (let through, and less than a fifth is left), deny, ' +
      'shadow_deny. A refused call counts at the limit that refused it alone.',
    labels: ['policy', 'scope', 'resource', 'decision'],
    max: 200
  },
  tollgate_limit_refusals_total: {
    kind: 'counter',
    help:
      'Calls that limits refused: rate, tokens, concurrency, budget, too_large, suspended (the team), store (it is away). ' +
      'The policy is none for the last two.',
    labels: ['team', 'policy', 'reason'],
    // Four for each of two hundred teams.
    max: 800
  },
  tollgate_budget_used_ratio: {
    kind: 'gauge',
    help:
      'How much of a budget a team has used, 1 for all of it, as far as this gate has been told; more where something is ' +
      'owed. Of teams that have called since it began.',
    labels: ['team', 'budget'],
    max: 500
  },
  tollgate_limit_leases: {
    kind: 'gauge',
    help: 'Calls of this gate that count in a limit of calls at once.',
    labels: []
  },
  tollgate_limiter_seconds: {
    kind: 'histogram',
    max: 3,
    help: 'How long calls waited for their limits: redis where gates share them, memory where this gate decided by itself.',
    labels: ['backend'],
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5]
  },
  tollgate_limiter_fallback_active: {
    kind: 'gauge',
    help: '1 while the store of limits does not answer: limits.on_store_failure decides.',
    labels: []
  },
  tollgate_limiter_unanswered_total: {
    kind: 'counter',
    help: 'Questions that the store of limits did not answer, or not in time.',
    labels: []
  },
  tollgate_limiter_owed: {
    kind: 'gauge',
    help: 'What the store of limits has to be told when it is there again: calls, and sums of calls.',
    labels: []
  },
  tollgate_limiter_dropped_total: {
    kind: 'counter',
    help: 'What was given up of that because there was too much.',
    labels: []
  },
  tollgate_limiter_gates: { kind: 'gauge', help: 'Gates that share their limits, this one included.', labels: [] },
  tollgate_redis_up: {
    kind: 'gauge',
    help:
      '1 when the store has answered the last question: of the connection itself, which writes each second, of limits, bans ' +
      'and revocations. Absent without a store.',
    labels: ['use']
  },
  tollgate_store_warnings: {
    kind: 'gauge',
    help: 'What is wrong with a store that answers, such as keys that it may drop: /readyz and the log say what.',
    labels: []
  }
} as const
