import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { CODES, type GateErrorCode } from '../codes.ts'

/** What is known of a socket whose bytes could not be parsed. */
export interface BrokenSocket {
  readonly error: Error & { readonly code?: string }
  readonly socket: Socket
  /** The response to the last request that began on it, if one did. */
  readonly response: ServerResponse | undefined
}

/**
 * Answers what never became a request: bytes that are no HTTP, heads that are too long or too slow. Says nothing where
 * an answer is out already: a second one would be taken for the answer to the next request.
 */
export function answerBrokenSocket({ error, socket, response }: BrokenSocket): void {
  const isWithinRequest = response !== undefined && !response.req.complete
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  if (isWithinRequest && response.headersSent) {
    socket.destroySoon()
    return
  }
  const [status, code] = refusalOf(error.code)
  const row = CODES[code]
  const body = JSON.stringify({ error: { message: row.message, type: row.type, param: null, code: row.code } })
  const head = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'x-should-retry: false',
    'connection: close'
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroySoon())
}

function refusalOf(code: string | undefined): [string, GateErrorCode] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ['408 Request Timeout', 'TOLLGATE_ACCEPT_TIMEOUT']
  if (code === 'HPE_HEADER_OVERFLOW') return ['431 Request Header Fields Too Large', 'TOLLGATE_ACCEPT_HEADERS']
  return ['400 Bad Request', 'TOLLGATE_ACCEPT_HEADERS']
}
