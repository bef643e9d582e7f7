import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'

const PRINTABLE = /^[\x20-\x7e]{1,256}$/
/** W3C Trace Context, section 3.2: version ff, and ids of zeros alone, are not valid. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/**
 * The headers that an engine sees: a list of ours, never a copy of the caller's.
 *
 * What the caller's client sent as `authorization`, `cookie`, `host`, `x-forwarded-*` and everything that engines obey
 * (engines.md section 1.6) stays here. The transport itself adds `host` and `content-length`.
 *
 * @returns name, value, name, value …
 */
export function requestHeaders(init: {
  readonly caller: IncomingHttpHeaders
  readonly requestId: string
  /** The path as the engine gets it. */
  readonly path: string
  /** Of the body as the engine gets it; null without one. */
  readonly contentType: string | null
  readonly apiKey: string | null
}): string[] {
  const { caller, requestId, path, contentType, apiKey } = init
  const headers = [
    'accept',
    printable(caller.accept) ?? '*/*',
    'accept-encoding',
    'identity',
    'x-request-id',
    requestId
  ]
  if (contentType !== null) headers.push('content-type', contentType)
  if (apiKey !== null) headers.push('authorization', `Bearer ${apiKey}`)
  if (path.startsWith('/v1/messages')) headers.push('anthropic-version', anthropicVersion(caller))
  const { traceparent } = caller
  if (typeof traceparent === 'string' && TRACEPARENT.test(traceparent)) headers.push('traceparent', traceparent)
  return headers
}

/** LMDeploy demands it; the version that every client library has sent so far stands in. */
function anthropicVersion(caller: IncomingHttpHeaders): string {
  const version = caller['anthropic-version']
  return typeof version === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(version) ? version : '2023-06-01'
}

function printable(value: string | undefined): string | null {
  return value !== undefined && PRINTABLE.test(value) ? value : null
}

const CONTENT_LENGTH = /^\d{1,15}$/

/**
 * The headers that a caller sees of an engine's answer: content type and length, caching, retry advice and `openai-*`.
 * No `server`, no `set-cookie`, no hop-by-hop header, no `location`.
 */
export function responseHeaders(engine: IncomingHttpHeaders): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  for (const name in engine) {
    const value = engine[name]
    if (typeof value === 'string' && isPassedOn(name)) headers[name] = value
  }
  if (engine['transfer-encoding'] === undefined && CONTENT_LENGTH.test(engine['content-length'] ?? '')) {
    headers['content-length'] = engine['content-length']
  }
  headers['cache-control'] ??= 'no-store'
  // nginx in front of us would hold events back.
  if (isEventStream(engine)) headers['x-accel-buffering'] = 'no'
  return headers
}

function isPassedOn(name: string): boolean {
  return name === 'content-type' || name === 'cache-control' || name === 'retry-after' || name.startsWith('openai-')
}

/** True when the engine answers with server-sent events. */
export function isEventStream(engine: IncomingHttpHeaders): boolean {
  return engine['content-type']?.startsWith('text/event-stream') === true
}
