/** The metrics of callers' connections; part of `METRICS`. */
export const CONNECTION_METRICS = {
  tollgate_connections: {
    kind: 'gauge',
    help:
      'Connections of callers by what they have to do next: handshake (TLS), head (their first request), request (get an answer), ' +
      'idle (another request).',
    labels: ['state']
  },
  tollgate_connections_max: {
    kind: 'gauge',
    help: 'How many connections of callers there may be: server.max_connections, or what the descriptor limit allows.',
    labels: []
  },
  tollgate_connections_refused_total: {
    kind: 'counter',
    help:
      'Connections that were closed by a limit: address (clients.max_connections; closed unread) or total ' +
      '(server.max_connections; the one that was longest without a request).',
    labels: ['limit']
  },
  tollgate_connection_errors_total: {
    kind: 'counter',
    help:
      'Connections that ended for what their caller did without a whole request, by the code of the error: bytes that are no ' +
      'HTTP, heads that were too long or too slow, TLS handshakes that failed, limits of connections. Not in tollgate_errors_total.',
    labels: ['code']
  }
} as const
