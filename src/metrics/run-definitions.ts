/** The metrics of a running gateway's configuration and logs; part of `METRICS`. */
export const RUN_METRICS = {
  tollgate_config_last_reload_successful: {
    kind: 'gauge',
    help: '0 after a file that could not be used: the gate runs with the last good one.',
    labels: []
  },
  tollgate_config_last_reload_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the configuration that runs was loaded.',
    labels: []
  },
  tollgate_config_restart_pending: {
    kind: 'gauge',
    help: 'Values of the configuration file that were changed and wait for a restart; GET /-/config names them.',
    labels: []
  },
  tollgate_config_reloads_total: {
    kind: 'counter',
    help: 'Attempts to load the configuration anew: success or failure.',
    labels: ['result']
  },
  tollgate_config_info: {
    kind: 'gauge',
    help: '1, with the hash of the configuration that runs, its secrets masked.',
    labels: ['hash']
  },
  tollgate_audit_dropped_total: {
    kind: 'counter',
    help: 'Lines of the audit log that were given up because they could not be written, or nobody read them.',
    labels: []
  },
  tollgate_log_dropped_total: {
    kind: 'counter',
    help: 'Lines of the log on stderr that were given up because nobody read them, or they could not be written.',
    labels: []
  },
  tollgate_log_held_bytes: {
    kind: 'gauge',
    help: 'Bytes of lines that are not written yet: audit or operator. It grows while nobody reads a pipe, or a disk is full.',
    labels: ['log']
  }
} as const
