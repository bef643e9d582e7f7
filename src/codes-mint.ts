const minted = { fault: 'client', type: 'invalid_request_error', shouldRetry: false, status: 400 } as const
const later = { code: 'temporarily_unavailable', shouldRetry: true } as const

/** The errors of the mint; part of `CODES`. Their `code` is the `error` of RFC 6749 section 5.2, or of RFC 8693. */
export const MINT_CODES = {
  TOLLGATE_MINT_REQUEST: {
    ...minted,
    code: 'invalid_request',
    message: 'The request lacks a parameter, repeats one, or has one that cannot be read.'
  },
  TOLLGATE_MINT_METHOD: {
    ...minted,
    status: 405,
    code: 'invalid_request',
    message: 'Tokens are asked for with POST.'
  },
  TOLLGATE_MINT_TYPE: {
    ...minted,
    status: 415,
    code: 'invalid_request',
    message: 'The body must be application/x-www-form-urlencoded, or for /login application/json.'
  },
  TOLLGATE_MINT_SIZE: {
    ...minted,
    status: 413,
    code: 'invalid_request',
    message: 'The body is larger than 8 KiB.'
  },
  TOLLGATE_MINT_GRANT_TYPE: {
    ...minted,
    code: 'unsupported_grant_type',
    message: 'The grant type is not served here.'
  },
  TOLLGATE_MINT_CLIENT: {
    ...minted,
    status: 401,
    code: 'invalid_client',
    message: 'The client is not known by this id and secret.'
  },
  TOLLGATE_MINT_LOGIN: { ...minted, code: 'invalid_grant', message: 'The name or the password is not right.' },
  TOLLGATE_MINT_SUBJECT: { ...minted, code: 'invalid_request', message: 'The subject token is not valid.' },
  TOLLGATE_MINT_TARGET: {
    ...minted,
    code: 'invalid_target',
    message: 'Tokens are made for this gate alone.'
  },
  TOLLGATE_MINT_SCOPE: {
    ...minted,
    code: 'invalid_scope',
    message: 'None of the scopes that were asked for is granted.'
  },
  TOLLGATE_MINT_THROTTLED: {
    ...later,
    fault: 'client',
    status: 429,
    type: 'rate_limit_error',
    retryAfterSec: 1,
    message: 'Too many tries. Wait before the next one.'
  },
  TOLLGATE_MINT_BUSY: {
    ...later,
    fault: 'load',
    status: 503,
    type: 'server_error',
    retryAfterSec: 2,
    message: 'Too many are logging in. Wait before the next try.'
  }
} as const
