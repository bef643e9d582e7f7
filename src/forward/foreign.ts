import type { IncomingHttpHeaders } from 'node:http'
import { type Connection, isUnsent } from './connections.ts'

/**
 * Why an answer cannot be the one to the request that its connection carries, or null when it can.
 *
 * HTTP/1.1 has nothing that says to which request an answer belongs, so that this knows two sure signs and no more: no engine
 * takes a call before it has read it to its end (it may refuse one), and one that names calls names the right one.
 */
export function foreignSign(status: number, headers: IncomingHttpHeaders, connection: Connection): string | null {
  if (status < 300 && isUnsent(connection)) return 'before the request was sent'
  const id = headers['x-request-id']
  if (id !== undefined && id === connection.lastId) return 'the request before'
  return null
}
