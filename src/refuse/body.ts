import { CODES, type GateErrorCode } from '../codes.ts'
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
  if (dialect === 'anthropic') {
    return JSON.stringify({
      type: 'error',
      error: { type: anthropicType(status), message },
      request_id: requestId
    })
  }
  return JSON.stringify({ error: { message, type, param, code } })
}

/** The event that ends a stream which the gate cannot finish: both OpenAI libraries raise it as an error. */
export function errorEvent(code: GateErrorCode, dialect: Dialect): string {
  const row = CODES[code]
  if (dialect === 'anthropic') {
    const data = JSON.stringify({ type: 'error', error: { type: anthropicType(row.status), message: row.message } })
    return `event: error\ndata: ${data}\n\n`
  }
  const error = { message: row.message, type: row.type, param: null, code: row.code }
  if (dialect === 'openai') return `data: ${JSON.stringify({ error })}\n\n`
  // The API's own event has its facts beside the type; the libraries raise what has an `error`, and would pass over it.
  const data = JSON.stringify({ type: 'error', code: row.code, message: row.message, param: null, error })
  return `event: error\ndata: ${data}\n\n`
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
