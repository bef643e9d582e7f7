import type { Socket } from 'node:net'
import { CODES, type GateErrorCode } from '../codes.ts'
import type { OpenSocket } from './socket-clocks.ts'

/** A connection whose bytes could not be read as HTTP, or took too long. */
export interface BrokenSocket {
  readonly error: Error & { readonly code?: string }
  readonly socket: Socket
  /** Undefined where no TLS session came about. */
  readonly open: Pick<OpenSocket, 'responses'> | undefined
}

/** The caller has gone: nothing is wrong with what came before. */
const LEFT: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/** What is wrong with the bytes of a connection; null when its caller has just left. */
export function brokenCode({ error, socket, open }: BrokenSocket): GateErrorCode | null {
  if (open === undefined) {
    // Of a certificate that is not trusted Node says no more than that the connection has ended.
    const isUntrusted = 'authorizationError' in socket && socket.authorizationError != null
    return LEFT.has(error.code) && !isUntrusted ? null : 'TOLLGATE_ACCEPT_TLS'
  }
  if (LEFT.has(error.code)) return null
  return error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'TOLLGATE_ACCEPT_TIMEOUT' : 'TOLLGATE_ACCEPT_HEADERS'
}

/**
 * Answers what never became a request: bytes that are no HTTP, heads that are too long or too slow; or what is wrong with the
 * body of the only request that is there. Writes nothing without a TLS session, which would be waited for, and nothing where
 * another answer has begun or is still to come: the caller would take it for a part of that one.
 *
 * @returns whether it is answered; else the connection is destroyed
 */
export function answerBrokenSocket(broken: BrokenSocket, code: GateErrorCode | null): boolean {
  const { error, socket, open } = broken
  if (code === null || !socket.writable || open === undefined || !mayAnswer([...open.responses])) {
    socket.destroy()
    return false
  }
  const row = CODES[code]
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : row.status
  const body = JSON.stringify({ error: { message: row.message, type: row.type, param: null, code: row.code } })
  const head = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Bad Request'}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'x-should-retry: false',
    'connection: close'
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroySoon())
  return true
}

const REASONS: Readonly<Record<number, string>> = {
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large'
}

function mayAnswer(responses: readonly { headersSent: boolean; req: { complete: boolean } }[]): boolean {
  const [only] = responses
  if (only === undefined) return true
  return responses.length === 1 && !only.req.complete && !only.headersSent
}
