import { GateError } from '../errors.ts'

const KEY = /^[A-Za-z0-9+/]{22}==$/

/**
 * Judges the head of a request for a WebSocket (RFC 6455 section 4.2.1), and that no body can hide behind it.
 *
 * @param rawHeaders name, value, name, value … as received
 * @throws TOLLGATE_ACCEPT_HEADERS
 */
export function checkHandshake(rawHeaders: readonly string[]): void {
  const head = new Map<string, string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? ''
    if (!WATCHED.has(name)) continue
    if (head.has(name)) throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'handshake', name })
    head.set(name, rawHeaders[i + 1] ?? '')
  }
  const isFit =
    head.get('upgrade')?.toLowerCase() === 'websocket' &&
    /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(head.get('connection') ?? '') &&
    head.get('sec-websocket-version') === '13' &&
    KEY.test(head.get('sec-websocket-key') ?? '') &&
    !head.has('transfer-encoding') &&
    (head.get('content-length') ?? '0') === '0'
  if (!isFit) throw new GateError('TOLLGATE_ACCEPT_HEADERS', { why: 'handshake' })
}

const WATCHED: ReadonlySet<string> = new Set([
  'upgrade',
  'connection',
  'sec-websocket-version',
  'sec-websocket-key',
  'transfer-encoding',
  'content-length'
])
