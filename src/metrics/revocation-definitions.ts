/** The metrics of revocations; part of `METRICS`. */
export const REVOCATION_METRICS = {
  tollgate_revocations: {
    kind: 'gauge',
    help: 'Revocations that are in force on this gate: jti, sub, team, kid.',
    labels: ['kind'],
    // Its kinds, and `other`.
    max: 5
  },
  tollgate_revocation_file_last_load_successful: {
    kind: 'gauge',
    help: '0 after a file of revocations that could not be used: what the last good one said holds.',
    labels: []
  },
  tollgate_revocations_unkept: {
    kind: 'gauge',
    help: '1 when revocation.keep could not be written: what was revoked since may be forgotten at a restart.',
    labels: []
  },
  tollgate_revocations_untold: {
    kind: 'gauge',
    help: 'Revocations, and liftings, that the store has not been told yet.',
    labels: []
  }
} as const
