import { GateError } from '../errors.ts'
import { DnsError } from '../resolve/names.ts'

/** Where in its life a call to an engine failed. */
export interface FailurePoint {
  readonly pool: string
  readonly origin: string
  /** True once the request was on an open connection. */
  readonly wasSent: boolean
}

/** Reasons that the relay itself gives when it ends a call. */
export type RelayTimeout = 'first_byte' | 'idle' | 'total'

const TIMEOUT_CODES = {
  first_byte: 'TOLLGATE_FORWARD_FIRST_BYTE',
  idle: 'TOLLGATE_FORWARD_IDLE',
  total: 'TOLLGATE_FORWARD_TOTAL'
} as const

/** What a time limit of ours means. */
export function timeoutError(which: RelayTimeout, afterMs: number, at: FailurePoint): GateError {
  return new GateError(TIMEOUT_CODES[which], { ...at, afterMs })
}

const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** What this machine has run out of: descriptors, memory for sockets, ports. Its engines are as well as ever. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL'])

/** TLS failures of Node and OpenSSL: a certificate that is not trusted, not valid, or for another name. */
const TLS = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO)/

/**
 * Maps every failure of the transport before the first byte to one code. The cause keeps the addresses; it is for the log.
 *
 * 503 where the engine cannot have seen the request, 502 where it may have.
 */
export function failureFrom(cause: unknown, at: FailurePoint): GateError {
  const code = codeOf(cause)
  const detail = { ...at, cause: code }
  if (cause instanceof DnsError) {
    return new GateError('TOLLGATE_FORWARD_DNS', { ...detail, name: cause.host, why: cause.message }, { cause })
  }
  if (TLS.test(code)) return new GateError('TOLLGATE_FORWARD_TLS', detail, { cause })
  if (EXHAUSTED.has(code)) {
    const fix = 'more file descriptors (ulimit -n), memory or local ports for the gate'
    return new GateError('TOLLGATE_FORWARD_SOCKETS', { ...detail, fix }, { cause })
  }
  switch (code) {
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new GateError('TOLLGATE_FORWARD_UNREACHABLE', detail, { cause })
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return new GateError(at.wasSent ? 'TOLLGATE_FORWARD_RESET' : 'TOLLGATE_FORWARD_CONNECT', detail, { cause })
    case 'UND_ERR_HEADERS_OVERFLOW':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return new GateError('TOLLGATE_FORWARD_ANSWER', detail, { cause })
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return at.wasSent
        ? new GateError('TOLLGATE_FORWARD_RESET', detail, { cause })
        : new GateError('TOLLGATE_FORWARD_UNREACHABLE', detail, { cause })
    default:
      // llhttp names what it could not parse HPE_…; anything else is as little of an answer.
      return new GateError(at.wasSent ? 'TOLLGATE_FORWARD_ANSWER' : 'TOLLGATE_FORWARD_UNREACHABLE', detail, { cause })
  }
}

/** Whether a failure says something of its engine: not one of the gateway itself, nor of a name that cannot be resolved. */
export function blamesEngine({ code, row }: GateError): boolean {
  return row.fault === 'upstream' && code !== 'TOLLGATE_FORWARD_DNS'
}

/** Whether a connection was closed from the other side. */
export function isClosed(cause: unknown): boolean {
  return CLOSED.has(codeOf(cause))
}

function codeOf(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null) return 'unknown'
  // Happy Eyeballs gathers one error per address; the first tells as much as all.
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0])
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown'
}
