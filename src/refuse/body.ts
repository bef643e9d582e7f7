import type { GateError } from '../errors.ts'
import type { Dialect } from '../exchange.ts'

/** The dialect of a path: Anthropic's for `/v1/messages` and below, else one of OpenAI's. */
export function dialectOf(path: string): Dialect {
  if (path === '/v1/messages' || path.startsWith('/v1/messages/')) return 'anthropic'
  return path === '/v1/responses' ? 'responses' : 'openai'
}

/**
 * The JSON text of a refusal, in the caller's dialect. Constant words, or what an engine said of the request; nothing of
 * `detail` but `param`, the gate's own name for a field of the body.
 */
export function errorBody(error: GateError, dialect: Dialect, requestId: string): string {
  const { status, message, type, param, code } = error.told
  if (dialect === 'oauth') return JSON.stringify({ error: oauthCode(error), error_description: message })
  if (dialect === 'anthropic') {
    return JSON.stringify({
      type: 'error',
      error: { type: anthropicType(status), message },
      request_id: requestId
    })
  }
  return JSON.stringify({ error: { message, type, param, code } })
}

/** One of the words that RFC 6749 sections 5.2 and 4.1.2.1 have: those of the mint are theirs already. */
function oauthCode({ code, told }: GateError): string {
  if (code.startsWith('TOLLGATE_MINT_')) return told.code
  if (told.status === 429 || told.status === 503) return 'temporarily_unavailable'
  return told.status < 500 ? 'invalid_request' : 'server_error'
}

/** The event that ends a stream which cannot be finished: the libraries of both APIs raise it as an error. */
export function errorEvent(error: GateError, dialect: Dialect): string {
  return `${dialect === 'openai' ? '' : 'event: error\n'}data: ${errorData(error, dialect)}\n\n`
}

/** The data of an event that tells of an error. */
export function errorData(of: GateError, dialect: Dialect): string {
  const { status, message, type, param, code } = of.told
  if (dialect === 'anthropic') return JSON.stringify({ type: 'error', error: { type: anthropicType(status), message } })
  const error = { message, type, param, code }
  // The API's own event has its facts beside the type; the libraries raise what has an `error`, and would pass over it.
  return JSON.stringify(dialect === 'openai' ? { error } : { type: 'error', code, message, param, error })
}

/** The event of a realtime session that says why a message was refused or the session ends, in OpenAI's shape. */
export function sessionEvent(error: GateError): string {
  const { type, code, message, param } = error.told
  return JSON.stringify({ type: 'error', error: { type, code, message, param } })
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error'
}

function anthropicType(status: number): string {
  return ANTHROPIC_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error')
}
