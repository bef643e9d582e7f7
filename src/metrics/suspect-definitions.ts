/** The metrics of suspicious behaviour; part of `METRICS`. */
export const SUSPECT_METRICS = {
  tollgate_suspicious_events_total: {
    kind: 'counter',
    help: 'Behaviour that a rule of `suspicious` has told of, by its kind and by what was done: log, throttle, ban.',
    labels: ['kind', 'action'],
    // Three for each of ten kinds, and other.
    max: 31
  }
} as const
