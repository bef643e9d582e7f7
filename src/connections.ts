import { ConnectionErrors } from './accept/connection-errors.ts'
import { defaultMaxConnections, descriptorLimit, hasDescriptors } from './accept/descriptors.ts'
import { OpenSockets } from './accept/open-sockets.ts'
import { type ConnectionLimits, socketClocks } from './accept/server-options.ts'
import type { SocketState } from './accept/socket-clocks.ts'
import { connectionRecord } from './audit/connection.ts'
import type { AuditRecord } from './audit/record.ts'
import type { GateErrorCode } from './codes.ts'
import { Connections } from './identify/connections.ts'
import type { IdentifyOptions } from './identify/options.ts'
import type { Ms, NowMs } from './time.ts'

/** What of a configuration says how many connections there may be. */
interface ConnectionOptions {
  readonly accept: { readonly maxConnections: number | null }
  readonly identify: IdentifyOptions
}

/** How many connections a gate has, and what became of others. */
export interface ConnectionStats {
  readonly open: Readonly<Record<SocketState, number>>
  /** The most that there may be. */
  readonly max: number
  /** Closed because of the limit of an address, or of all. */
  readonly refused: { readonly address: number; readonly total: number }
  /** What callers did wrong before there was a request, by code. */
  readonly errors: ReadonlyMap<GateErrorCode, number>
}

/** The connections of a gate's callers. */
export interface CallerConnections {
  readonly sockets: OpenSockets
  readonly errors: ConnectionErrors
  /** Of each address. */
  readonly addresses: Connections
  stats(): ConnectionStats
  follow(config: ConnectionOptions): void
  /** Begins to look for descriptors, every second. */
  start(): void
  close(): void
}

const SAY_AGAIN_MS: Ms = 60_000
const LOOK_MS: Ms = 1_000
/** One address may hold a quarter of what there may be. */
const SHARE = 4

/** Opens what bounds the connections of a gate, and says so to the operator and the auditor, a bounded number of times. */
export function openConnections(
  first: ConnectionOptions,
  init: {
    readonly nowMs: NowMs
    readonly log: Record<'info' | 'warn' | 'error', (facts: object, message: string) => void>
    readonly write: (record: AuditRecord) => void
    readonly limits: ConnectionLimits
    /** How many descriptors the process may have. */
    readonly descriptors?: number | null
  }
): CallerConnections {
  const { nowMs, log, write, limits, descriptors = descriptorLimit() } = init
  let max = maxOf(first)
  let clock: NodeJS.Timeout | null = null
  const saidMs = { address: Number.NEGATIVE_INFINITY, total: Number.NEGATIVE_INFINITY, files: Number.NEGATIVE_INFINITY }

  function isDue(what: keyof typeof saidMs): boolean {
    const now = nowMs()
    if (Math.abs(now - saidMs[what]) < SAY_AGAIN_MS) return false
    saidMs[what] = now
    return true
  }

  function maxOf({ accept }: ConnectionOptions): number {
    return accept.maxConnections ?? defaultMaxConnections(descriptors)
  }

  const errors = new ConnectionErrors(nowMs, {
    onError: (code, address, suppressed) => write(connectionRecord({ code, address, suppressed }, nowMs())),
    onSummary: (code, address, count) =>
      log.info({ code, address, count }, 'connections ended without a request; the audit log has them')
  })
  const addresses = new Connections(
    first.identify,
    key => {
      errors.add('TOLLGATE_ACCEPT_CONNECTIONS', key)
      if (!isDue('address')) return
      const fix = 'clients.max_connections; a proxy of yours belongs into clients.trusted_proxies'
      log.warn({ key, refused: addresses.refused, fix }, 'per-address connection limit reached')
    },
    () => Math.max(1, Math.floor(max / SHARE))
  )
  const sockets = new OpenSockets(socketClocks(limits), max, {
    onOverdue: ({ state, address }) =>
      errors.add(state === 'handshake' ? 'TOLLGATE_ACCEPT_TLS' : 'TOLLGATE_ACCEPT_TIMEOUT', address),
    onFull({ address }) {
      errors.add('TOLLGATE_ACCEPT_CONNECTIONS', address)
      if (!isDue('total')) return
      const fix = 'server.max_connections, and the descriptor limit (ulimit -n)'
      log.warn({ max, ...sockets.counts(), closed: sockets.evicted, fix }, 'connection limit reached')
    }
  })

  function look(): void {
    if (hasDescriptors() || !isDue('files')) return
    const fix = 'the descriptor limit (ulimit -n), server.max_connections'
    log.error({ descriptors, ...sockets.counts(), fix }, 'no file descriptor left: new connections are reset (EMFILE)')
  }

  return {
    sockets,
    errors,
    addresses,
    stats: () => ({
      open: sockets.counts(),
      max,
      refused: { address: addresses.refused, total: sockets.evicted },
      errors: errors.counts
    }),
    follow(next) {
      max = maxOf(next)
      sockets.limit(max)
      addresses.follow(next.identify)
    },
    start() {
      if (descriptors !== null && max > defaultMaxConnections(descriptors) && max * 2 > descriptors) {
        const fix = 'server.max_connections, or a higher descriptor limit (ulimit -n)'
        log.warn({ max, descriptors, fix }, 'server.max_connections is more than the descriptors of the process allow')
      }
      clock ??= setInterval(look, LOOK_MS).unref()
    },
    close() {
      if (clock !== null) clearInterval(clock)
      sockets.close()
    }
  }
}
