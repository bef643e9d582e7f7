import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type FastifyBaseLogger, type FastifyServerOptions, LogController } from 'fastify'
import type { Ms } from '../time.ts'
import { coalescedRequests } from './coalesced-request.ts'
import type { Spend } from './read-turns.ts'
import type { SocketClocks } from './socket-clocks.ts'

/** Time limits of a caller's connection. */
export interface ConnectionLimits {
  /** From the connection to the end of the TLS handshake. */
  readonly handshakeMs: Ms
  /** From the first byte of a request to the end of its head. */
  readonly headersMs: Ms
  /** From the first byte of a request to the end of its body. */
  readonly requestMs: Ms
  /** Between two requests; more than the load balancer in front has. */
  readonly keepAliveMs: Ms
  /** A caller who takes nothing of what is written for so long is cut. */
  readonly readerStallMs: Ms
  /** How often the first two are looked at: often, so that many whose time is over do not end in one turn of the event loop. */
  readonly checkEveryMs: Ms
}

/** The limits that the gate runs with. */
export const LIMITS: ConnectionLimits = {
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 120_000,
  keepAliveMs: 75_000,
  readerStallMs: 60_000,
  checkEveryMs: 250
}

/** The clocks of every connection behind those of Node, which come first where they answer with a 408. */
export function socketClocks(limits: ConnectionLimits): SocketClocks {
  const { handshakeMs, headersMs, requestMs, keepAliveMs, checkEveryMs } = limits
  const headMs = headersMs + 3 * checkEveryMs
  return { handshakeMs, headMs, idleMs: keepAliveMs + headMs, bodyMs: requestMs, checkEveryMs }
}

/** PEM texts of what the listener shows, and of whose certificates it asks for. */
export interface TlsTexts {
  readonly cert: string
  readonly key: string
  /** The authority of callers, or null when they need no certificate. */
  readonly clientCa: string | null
}

/** What a TLS listener works with. Callers whose certificate that authority has not signed get no further than the handshake. */
export function secureContext({ cert, key, clientCa }: TlsTexts) {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2' as const,
    ...(clientCa === null ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true })
  }
}

/** Text that cannot mislead a router: anything else is asked for as `/` and judged by `inspect` as it came. */
const ROUTABLE = /^\/[A-Za-z0-9._~/-]*$/

/** The options of the public listener, every default that bites set on purpose. */
export function serverOptions(init: {
  log: FastifyBaseLogger
  limits: ConnectionLimits
  /** Null for plain HTTP. */
  tls: TlsTexts | null
  /** Whether a request target, as it came, is a WebSocket that is served. */
  isSocket: (rawUrl: string) => boolean
  /** Counts small pieces of bodies. */
  spend: Spend
}): FastifyServerOptions {
  const { limits, log, tls, isSocket, spend } = init
  return {
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: logger => logger,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    trustProxy: false,
    exposeHeadRoutes: false,
    bodyLimit: 1024,
    connectionTimeout: limits.readerStallMs,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestMs,
    maxRequestsPerSocket: 0,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    rewriteUrl,
    [tls === null ? 'http' : 'https']: {
      ...(tls === null ? {} : { ...secureContext(tls), handshakeTimeout: limits.handshakeMs }),
      headersTimeout: limits.headersMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      maxHeaderSize: 16 * 1024,
      IncomingMessage: coalescedRequests(spend),
      insecureHTTPParser: false,
      requireHostHeader: false,
      joinDuplicateHeaders: false,
      shouldUpgradeCallback: ({ method, url }: IncomingMessage) => method === 'GET' && isSocket(url ?? '')
    },
    // Answered by the plugin, which knows whether the socket has had an answer already.
    clientErrorHandler: () => {}
  } as FastifyServerOptions
}

function rewriteUrl(raw: { url?: string | undefined } & Pick<IncomingMessage, 'headers'>): string {
  const url = raw.url ?? '/'
  return ROUTABLE.test(url) ? url : '/'
}
