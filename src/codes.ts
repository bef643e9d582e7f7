import { MINT_CODES } from './codes-mint.ts'

/** What one error means: for the caller, for the log level and the alert. */
export interface Row {
  readonly status: number
  /**
   * Who has to act: `client` the caller, `upstream` the engine or the identity provider, `gate` us or our operator. `load` is
   * nobody's: there is more to do than can be done, and a line for each in the operator's log would be yet more.
   */
  readonly fault: 'client' | 'upstream' | 'gate' | 'load'
  /** OpenAI's `error.type` and `error.code` (engines.md section 4). */
  readonly type: string
  readonly code: string
  /** The public sentence. Constant: facts go to `detail`, which only the log sees. */
  readonly message: string
  /** Seconds for `Retry-After`. */
  readonly retryAfterSec?: number
  /** False tells client libraries not to try again (`x-should-retry`). */
  readonly shouldRetry?: boolean
}

const bad = { fault: 'client', type: 'invalid_request_error', shouldRetry: false } as const
const request = { ...bad, status: 400, code: 'invalid_request' } as const
const slow = { ...bad, status: 408, code: 'request_timeout' } as const
const unknown = { ...bad, status: 404, code: 'unknown_url' } as const
const value = { ...bad, status: 400, code: 'invalid_value' } as const
const token = { ...bad, status: 401, code: 'invalid_api_key' } as const
const forbidden = { ...bad, status: 403, type: 'permission_error' } as const
const limited = { fault: 'client', status: 429, type: 'rate_limit_error', retryAfterSec: 1, shouldRetry: true } as const
const engine = { fault: 'upstream', type: 'server_error', shouldRetry: false } as const
const failed = { ...engine, status: 502, code: 'upstream_error' } as const
const late = { ...engine, status: 504, code: 'upstream_timeout' } as const
const mistake = {
  status: 500,
  fault: 'gate',
  type: 'server_error',
  code: 'internal_error',
  message: 'The gate made a mistake. It has been written down.',
  shouldRetry: false
} as const
const unavailable = {
  ...engine,
  status: 503,
  code: 'upstream_unavailable',
  retryAfterSec: 2,
  shouldRetry: true
} as const
const overloaded = {
  status: 503,
  fault: 'load',
  type: 'server_error',
  code: 'server_overloaded',
  retryAfterSec: 2,
  shouldRetry: true
} as const

/**
 * Every error that the gate can answer with. The keys are the type of `GateError.code`;
 * a test keeps the table of the README equal to this one.
 */
export const CODES = {
  TOLLGATE_ACCEPT_HEADERS: { ...request, message: 'The request headers are not acceptable.' },
  TOLLGATE_ACCEPT_HOST: { ...request, message: 'The request needs exactly one valid Host header for this server.' },
  TOLLGATE_ACCEPT_METHOD: { ...bad, status: 405, code: 'method_not_allowed', message: 'This method is not served.' },
  TOLLGATE_ACCEPT_VERSION: { ...bad, status: 505, code: 'http_version', message: 'Only HTTP/1.1 is served.' },
  TOLLGATE_ACCEPT_EXPECTATION: {
    ...bad,
    status: 417,
    code: 'expectation_failed',
    message: 'This Expect is not served.'
  },
  TOLLGATE_ACCEPT_PIPELINE: { ...request, message: 'Too many requests were sent without waiting for answers.' },
  TOLLGATE_ACCEPT_TLS: { ...request, message: 'The TLS handshake failed.' },
  TOLLGATE_ACCEPT_CONNECTIONS: { ...overloaded, message: 'There are too many connections.' },
  TOLLGATE_ACCEPT_TIMEOUT: { ...slow, message: 'The request took too long to arrive.' },
  TOLLGATE_ACCEPT_STALLED: { ...slow, message: 'The caller took nothing of the answer for too long.' },
  TOLLGATE_ACCEPT_OVERLOADED: { ...overloaded, message: 'The gate has too much to do.' },

  TOLLGATE_IDENTIFY_BANNED: {
    ...limited,
    code: 'too_many_failures',
    message: 'Too many failed requests came from this address.',
    shouldRetry: false
  },

  TOLLGATE_AUTHENTICATE_MISSING: { ...token, message: 'A bearer token is required.' },
  TOLLGATE_AUTHENTICATE_MALFORMED: { ...request, message: 'The request must carry exactly one bearer token.' },
  TOLLGATE_AUTHENTICATE_INVALID: { ...token, message: 'The token is not valid.' },
  TOLLGATE_AUTHENTICATE_ENDED: { ...token, message: 'The token has expired or was taken back.' },
  TOLLGATE_AUTHENTICATE_REVOKED: { ...token, message: 'The token was taken back.' },
  TOLLGATE_AUTHENTICATE_KEYS: {
    status: 503,
    fault: 'upstream',
    type: 'server_error',
    code: 'keys_unavailable',
    message: 'Tokens cannot be verified at the moment.',
    retryAfterSec: 5,
    shouldRetry: true
  },
  TOLLGATE_AUTHENTICATE_OVERLOADED: {
    ...overloaded,
    message: 'The gate has too much to do to verify another token.'
  },

  TOLLGATE_SUSPECT_THROTTLED: {
    ...limited,
    code: 'rate_limit_exceeded',
    message: 'Too much of what you did looked like misuse. Wait before you go on.',
    retryAfterSec: 60
  },

  TOLLGATE_INSPECT_ROUTE: { ...unknown, message: 'This route is not served.' },
  TOLLGATE_INSPECT_CLOSED: { ...unknown, message: 'This route of an engine is not open here.' },
  TOLLGATE_INSPECT_ADMIN: {
    ...unknown,
    message: 'This is an internal or administration route of an engine. It is never served.'
  },
  TOLLGATE_INSPECT_METHOD: {
    ...bad,
    status: 405,
    code: 'method_not_allowed',
    message: 'This route is not served with this method.'
  },
  TOLLGATE_INSPECT_UPGRADE: {
    ...bad,
    status: 426,
    code: 'upgrade_required',
    message: 'This route is a WebSocket.'
  },
  TOLLGATE_INSPECT_EVENT: { ...value, message: 'This event is not served here.' },
  TOLLGATE_INSPECT_QUERY: { ...request, message: 'This route does not take these query parameters.' },
  TOLLGATE_INSPECT_TYPE: {
    ...bad,
    status: 415,
    code: 'unsupported_media_type',
    message: 'The body must be JSON in UTF-8, or a form where a file is sent, and not encoded.'
  },
  TOLLGATE_INSPECT_SIZE: { ...bad, status: 413, code: 'request_too_large', message: 'The body is too large.' },
  TOLLGATE_INSPECT_CHUNKS: { ...request, message: 'The body comes in too many short chunks. Send longer ones.' },
  TOLLGATE_INSPECT_OVERLOADED: { ...overloaded, message: 'The gate holds as many bodies as it can.' },
  TOLLGATE_INSPECT_JSON: { ...request, message: 'The body is not a JSON object in UTF-8.' },
  TOLLGATE_INSPECT_FORM: { ...request, message: 'The body is not a form that can be read.' },
  TOLLGATE_INSPECT_DUPLICATE: { ...value, message: 'The body names a member twice.' },
  TOLLGATE_INSPECT_DEPTH: { ...value, message: 'The body is nested too deeply.' },
  TOLLGATE_INSPECT_FIELD: { ...value, message: 'A field of the body has a wrong value.' },

  TOLLGATE_AUTHORIZE_SCOPE: {
    ...forbidden,
    code: 'insufficient_permissions',
    message: 'The token does not allow this call.'
  },
  TOLLGATE_AUTHORIZE_MODEL: {
    ...forbidden,
    code: 'model_not_allowed',
    message: 'The token does not allow this model.'
  },

  TOLLGATE_LIMIT_SUSPENDED: { ...forbidden, code: 'team_suspended', message: 'The team of this token is suspended.' },
  TOLLGATE_LIMIT_TOO_LARGE: {
    ...bad,
    status: 400,
    code: 'request_too_large_for_limit',
    message: 'The request is larger than a limit can ever hold.'
  },
  TOLLGATE_LIMIT_RATE: {
    ...limited,
    code: 'rate_limit_exceeded',
    message: 'A limit of requests in a minute is reached.'
  },
  TOLLGATE_LIMIT_TOKENS: {
    ...limited,
    code: 'rate_limit_exceeded',
    message: 'A limit of tokens in a minute is reached.'
  },
  TOLLGATE_LIMIT_CONCURRENCY: {
    ...limited,
    code: 'concurrency_limit_exceeded',
    message: 'A limit of calls at once is reached.'
  },
  TOLLGATE_LIMIT_BUDGET: {
    fault: 'client',
    status: 429,
    type: 'insufficient_quota',
    code: 'insufficient_quota',
    message: 'A budget is used up.',
    shouldRetry: false
  },
  TOLLGATE_LIMIT_STORE: {
    ...overloaded,
    code: 'limits_unavailable',
    message: 'Limits cannot be checked at the moment.'
  },

  TOLLGATE_ROUTE_TEAM: {
    ...forbidden,
    code: 'team_not_allowed',
    message: 'The team of this token is not served here.'
  },
  TOLLGATE_ROUTE_MODEL: {
    ...bad,
    status: 404,
    code: 'model_not_found',
    message: 'The model does not exist or your team may not use it.'
  },
  TOLLGATE_ROUTE_OPERATION: { ...unknown, message: 'The engine of this model does not serve this route.' },
  TOLLGATE_ROUTE_AMBIGUOUS: {
    ...value,
    message: 'Several pools of the team serve this route: name the model in the URL, as ?model=NAME.'
  },
  TOLLGATE_ROUTE_FULL: { ...unavailable, message: 'Too many requests are waiting for this model.' },
  TOLLGATE_ROUTE_SHARE: {
    ...limited,
    code: 'rate_limit_exceeded',
    message: 'Too many requests of your team are waiting for this model.',
    retryAfterSec: 2
  },
  TOLLGATE_ROUTE_LATE: {
    ...unavailable,
    retryAfterSec: 5,
    message: 'The request has waited too long for a free engine.'
  },
  TOLLGATE_ROUTE_BUSY: { ...unavailable, message: 'All engines of this model have asked for a pause.' },
  TOLLGATE_ROUTE_UNKNOWN: { ...unavailable, message: 'The models of this pool are not known yet.' },

  TOLLGATE_SHAPE_CAP: { ...value, message: 'A field of the body is over the limit of this gate.' },
  TOLLGATE_SHAPE_FIELD: { ...value, message: 'A field of the body is not allowed here.' },
  TOLLGATE_SHAPE_MEDIA: {
    ...value,
    message: 'Pictures, sound and video must come as data: URLs, or from a host that the operator named.'
  },

  TOLLGATE_CHARGE_UNAVAILABLE: {
    ...overloaded,
    code: 'ledger_unavailable',
    retryAfterSec: 5,
    message: 'The gate cannot write down what is used at the moment.'
  },

  TOLLGATE_BILL_OFF: {
    status: 503,
    fault: 'load',
    type: 'server_error',
    code: 'usage_unavailable',
    message: 'This gate keeps no ledger of usage.',
    shouldRetry: false
  },
  TOLLGATE_BILL_UNAVAILABLE: {
    ...overloaded,
    code: 'usage_unavailable',
    retryAfterSec: 5,
    message: 'The gate cannot tell what was used at the moment.'
  },

  TOLLGATE_FORWARD_UNREACHABLE: { ...unavailable, message: 'The engine cannot be reached.' },
  TOLLGATE_FORWARD_DNS: { ...unavailable, message: 'The name of the engine could not be resolved.' },
  TOLLGATE_FORWARD_CONNECT: { ...unavailable, message: 'No connection to the engine came about in time.' },
  TOLLGATE_FORWARD_SOCKETS: { ...unavailable, fault: 'gate', message: 'The gate cannot open another connection.' },
  TOLLGATE_FORWARD_TLS: { ...failed, message: 'No trusted connection to the engine could be made.' },
  TOLLGATE_FORWARD_RESET: { ...failed, message: 'The engine closed the connection before it answered.' },
  TOLLGATE_FORWARD_ANSWER: { ...failed, message: 'The engine gave an answer that cannot be passed on.' },
  TOLLGATE_FORWARD_KEY: { ...failed, message: 'The engine refused the gate. This is for the operator to mend.' },
  TOLLGATE_FORWARD_REJECTED: { ...request, message: 'The engine did not accept the request.' },
  TOLLGATE_FORWARD_BUSY: {
    ...engine,
    status: 429,
    type: 'rate_limit_error',
    code: 'rate_limit_exceeded',
    message: 'The engine has too much to do.',
    retryAfterSec: 2,
    shouldRetry: true
  },
  TOLLGATE_FORWARD_OVERLOADED: { ...unavailable, message: 'The engine takes no requests at the moment.' },
  TOLLGATE_FORWARD_FAILED: { ...failed, message: 'The engine failed.' },
  TOLLGATE_FORWARD_FIRST_BYTE: { ...late, message: 'The engine did not begin to answer in time.' },
  TOLLGATE_FORWARD_IDLE: { ...late, message: 'The engine fell silent in the middle of its answer.' },
  TOLLGATE_FORWARD_TOTAL: { ...late, message: 'The answer took longer than is allowed.' },
  TOLLGATE_FORWARD_BROKEN: { ...failed, message: 'The engine broke off its answer.' },
  TOLLGATE_FORWARD_SHUTDOWN: {
    ...engine,
    fault: 'gate',
    status: 503,
    code: 'server_shutdown',
    message: 'The gate is shutting down.',
    retryAfterSec: 1,
    shouldRetry: true
  },

  ...MINT_CODES,

  TOLLGATE_INTERNAL: mistake,
  TOLLGATE_STAGE_ORDER: mistake
} as const satisfies Record<string, Row>

/** The stable code of an error of the gate. */
export type GateErrorCode = keyof typeof CODES
