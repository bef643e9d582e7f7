import { GateError } from '../errors.ts'

/** Turns whatever was thrown into an error of the one table; what is not known is a mistake of ours. */
export function gateErrorFrom(error: unknown): GateError {
  if (error instanceof GateError) return error
  switch (codeOf(error)) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new GateError('TOLLGATE_INSPECT_SIZE', {}, { cause: error })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new GateError('TOLLGATE_INSPECT_TYPE', {}, { cause: error })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new GateError('TOLLGATE_INSPECT_JSON', {}, { cause: error })
    case 'ECONNRESET':
      // The caller left while its body was read: the answer goes nowhere, the audit line says 'client_left'.
      return new GateError('TOLLGATE_ACCEPT_TIMEOUT', { why: 'left' }, { cause: error })
    default:
      return new GateError('TOLLGATE_INTERNAL', {}, { cause: error })
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
