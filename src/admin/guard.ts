import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Operator } from '../exchange.ts'

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

/**
 * Whether whoever asks may see and change things on the second listener: with the token where there is one, else from
 * this machine alone and not out of a browser, which would do it for any page that it shows.
 */
export function isOperator(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  token: string | null
): boolean {
  if (token !== null) return hasToken({ headers }, token)
  const { host = '', origin } = headers
  return LOOPBACK.test(socket.remoteAddress ?? '') && LOOPBACK_HOST.test(host) && origin === undefined
}

/** Who it is, once `isOperator` has let him in. */
export function operatorOf(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  token: string | null
): Operator {
  return {
    address: socket.remoteAddress ?? '',
    by: token !== null && hasToken({ headers }, token) ? 'admin.token' : 'this machine'
  }
}

/** Whether a request shows the operator's token. */
export function hasToken({ headers }: Pick<IncomingMessage, 'headers'>, token: string): boolean {
  return isSame(headers.authorization ?? '', `Bearer ${token}`)
}

/** In the same time however much is right. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
