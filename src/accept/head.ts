import { GateError } from '../errors.ts'
import { checkHandshake } from './handshake.ts'

/** The parts of a request's head that are judged before anything else reads it. */
export interface Head {
  readonly httpVersion: string
  readonly method?: string | undefined
  /** Name, value, name, value … exactly as received, duplicates included. */
  readonly rawHeaders: readonly string[]
  /** True for a request that asks for a WebSocket where one is served. */
  readonly isUpgrade?: boolean
}

/** More headers than this are refused (Envoy allows 100, HAProxy 101). */
export const MAX_HEADERS = 100

const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/**
 * Judges the head of a request as RFC 9112 sections 3.2 and 6.1 ask, and more strictly than Node's parser:
 * one valid Host, HTTP/1.1 alone, no `_` in a name, no repeated framing or type header, no upgrade but to a WebSocket
 * where one is served.
 *
 * @param names accepted host names in lower case; empty accepts every valid one
 * @throws TOLLGATE_ACCEPT_VERSION, TOLLGATE_ACCEPT_METHOD, TOLLGATE_ACCEPT_HEADERS, TOLLGATE_ACCEPT_HOST,
 *   TOLLGATE_ACCEPT_EXPECTATION
 */
export function checkHead(head: Head, names: ReadonlySet<string>): void {
  if (head.httpVersion !== '1.1') throw new GateError('TOLLGATE_ACCEPT_VERSION', { version: head.httpVersion })
  if (head.method === 'TRACE' || head.method === 'CONNECT') {
    throw new GateError('TOLLGATE_ACCEPT_METHOD', { method: head.method })
  }
  const raw = head.rawHeaders
  if (raw.length > 2 * MAX_HEADERS) throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'too many' })

  let host: string | null = null
  let types = 0
  let encodings = 0
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    // Some servers behind us read `x_team_id` as `x-team-id`; nginx drops such names, we say so.
    if (name.includes('_')) throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'underscore', name })
    // Most names are of no interest; their length says so without lowering their case.
    switch (name.length) {
      case 4:
        if (name.toLowerCase() !== 'host') break
        if (host !== null) throw new GateError('TOLLGATE_ACCEPT_HOST', { why: 'twice' })
        host = raw[i + 1] ?? ''
        break
      case 6:
        // Node would answer it with a 417 of its own, below everything that counts and writes down.
        if (name.toLowerCase() === 'expect' && raw[i + 1]?.toLowerCase() !== '100-continue') {
          throw new GateError('TOLLGATE_ACCEPT_EXPECTATION')
        }
        break
      case 7:
        if (name.toLowerCase() === 'upgrade' && head.isUpgrade !== true) {
          throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'upgrade' })
        }
        break
      case 12:
        if (name.toLowerCase() === 'content-type' && ++types > 1) {
          throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'content-type twice' })
        }
        break
      case 16:
        if (name.toLowerCase() === 'content-encoding' && ++encodings > 1) {
          throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'content-encoding twice' })
        }
        break
      case 17:
        if (name.toLowerCase() === 'transfer-encoding' && raw[i + 1]?.toLowerCase() !== 'chunked') {
          throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'transfer-encoding' })
        }
        break
    }
  }
  if (head.isUpgrade === true) checkHandshake(raw)
  if (host === null || !HOST.test(host)) throw new GateError('TOLLGATE_ACCEPT_HOST', { why: 'absent or invalid' })
  if (names.size > 0 && !names.has(bareName(host))) throw new GateError('TOLLGATE_ACCEPT_HOST', { why: 'not ours' })
}

function bareName(host: string): string {
  return host.replace(/:\d{1,5}$/, '').toLowerCase()
}
