import type { GateError } from '../errors.ts'

const REALM = 'Bearer realm="tollgate"'

/**
 * The `WWW-Authenticate` value of a refusal, or null when it carries none (RFC 6750 section 3).
 * A request without a token gets no error code; a bad token gets `invalid_token` and no reason.
 */
export function challengeFor(error: GateError): string | null {
  switch (error.code) {
    case 'TOLLGATE_AUTHENTICATE_MISSING':
      return REALM
    case 'TOLLGATE_AUTHENTICATE_MALFORMED':
      return `${REALM}, error="invalid_request"`
    case 'TOLLGATE_AUTHENTICATE_INVALID':
      return `${REALM}, error="invalid_token"`
    case 'TOLLGATE_AUTHORIZE_SCOPE':
    case 'TOLLGATE_AUTHORIZE_MODEL':
      return `${REALM}, error="insufficient_scope"${scopeParameter(error)}`
    case 'TOLLGATE_MINT_CLIENT':
      // RFC 6749 section 5.2: the way in which the client may authenticate itself.
      return 'Basic realm="tollgate", charset="UTF-8"'
    default:
      return null
  }
}

// RFC 6749 section 3.3: a scope token holds no quote and no backslash, so it can stand in quotes as it is.
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/

function scopeParameter(error: GateError): string {
  const { scope } = error.detail
  return typeof scope === 'string' && SCOPE.test(scope) ? `, scope="${scope}"` : ''
}
