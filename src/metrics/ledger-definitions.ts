/** The metrics of the ledger, and of what is guessed for it; part of `METRICS`. */
export const LEDGER_METRICS = {
  tollgate_ledger_records_total: {
    kind: 'counter',
    help: 'Lines that the kernel has: open (a call goes to an engine) or usage (it has ended). Absent without metering.',
    labels: ['type']
  },
  tollgate_ledger_bytes_total: { kind: 'counter', help: 'Bytes that were put into segments.', labels: [] },
  tollgate_ledger_commit_seconds: {
    kind: 'histogram',
    help: 'From a line to the kernel that has it, for the oldest of each group: what ended so long ago outlives a kill -9.',
    labels: [],
    buckets: [0.01, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10]
  },
  tollgate_ledger_queue_events: { kind: 'gauge', help: 'Lines that are not written yet.', labels: [] },
  tollgate_ledger_oldest_unflushed_seconds: {
    kind: 'gauge',
    help: 'The age of the oldest line that a kill -9 would lose; 0 for none. Above 0.1 the disk or the gate is too slow.',
    labels: []
  },
  tollgate_ledger_oldest_unsynced_seconds: {
    kind: 'gauge',
    help: 'The age of the oldest line that a power cut would lose; 0 for none.',
    labels: []
  },
  tollgate_ledger_disk_free_bytes: {
    kind: 'gauge',
    help: 'Room on the disk of the ledger, as of the last minute; 0 where it is not known.',
    labels: []
  },
  tollgate_ledger_write_errors_total: {
    kind: 'counter',
    help: 'Writes and syncs of the ledger that failed; each is tried again.',
    labels: []
  },
  tollgate_ledger_dropped_total: {
    kind: 'counter',
    help: 'Lines that were given up because the disk took nothing: usage that cannot be billed. Alert on any.',
    labels: []
  },
  tollgate_estimated_tokens_total: {
    kind: 'counter',
    help: 'The part of the tokens that is a guess, because an engine has said nothing: input or output.',
    labels: ['kind']
  },
  tollgate_estimate_ratio: {
    kind: 'histogram',
    help: 'What an engine has counted, divided by what would have been guessed for the call: input or output.',
    labels: ['model', 'kind'],
    max: 100,
    buckets: [0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2, 4]
  }
} as const
