import { CODES, type GateErrorCode } from '../codes.ts'
import type { GateError } from '../errors.ts'

/** The last part of each code, in lower case: what is said of a try at an engine that came to nothing. */
const WORDS = new Map(
  (Object.keys(CODES) as GateErrorCode[]).map(code => [code, code.replace(/^TOLLGATE_(?:[A-Z]+_)?/, '').toLowerCase()])
)

/** How a try at an engine ended: the status of its answer, or a word. */
export function outcomeOf(error: GateError): string {
  const { status } = error.detail
  return typeof status === 'number' ? String(status) : (WORDS.get(error.code) ?? error.code)
}

/** Which time limit of a call was met, by the name of its key, or null. */
export function timeoutOf({
  code
}: GateError): 'connect' | 'first_byte' | 'idle' | 'total' | 'queue' | 'reader' | null {
  switch (code) {
    case 'TOLLGATE_FORWARD_CONNECT':
      return 'connect'
    case 'TOLLGATE_FORWARD_FIRST_BYTE':
      return 'first_byte'
    case 'TOLLGATE_FORWARD_IDLE':
      return 'idle'
    case 'TOLLGATE_FORWARD_TOTAL':
      return 'total'
    case 'TOLLGATE_ROUTE_LATE':
      return 'queue'
    case 'TOLLGATE_ACCEPT_STALLED':
      return 'reader'
    default:
      return null
  }
}

/** Why an answer that had begun was not finished. */
export function interruptionOf({ code, row }: GateError): string {
  switch (code) {
    case 'TOLLGATE_FORWARD_BROKEN':
    case 'TOLLGATE_FORWARD_RESET':
      return 'upstream_reset'
    case 'TOLLGATE_FORWARD_IDLE':
      return 'idle_timeout'
    case 'TOLLGATE_FORWARD_TOTAL':
      return 'max_duration'
    case 'TOLLGATE_FORWARD_SHUTDOWN':
      return 'drain'
    default:
      return row.fault === 'gate' ? 'gate' : 'upstream_error'
  }
}

/** Why a call got no place in a pool, or null. */
export function queueRejectionOf({ code }: GateError): 'full' | 'share' | 'late' | 'busy' | null {
  switch (code) {
    case 'TOLLGATE_ROUTE_FULL':
      return 'full'
    case 'TOLLGATE_ROUTE_SHARE':
      return 'share'
    case 'TOLLGATE_ROUTE_LATE':
      return 'late'
    case 'TOLLGATE_ROUTE_BUSY':
      return 'busy'
    default:
      return null
  }
}

/** Which kind of limit refused a call, or null. */
export function limitRefusalOf({
  code
}: GateError): 'rate' | 'tokens' | 'concurrency' | 'budget' | 'too_large' | 'suspended' | 'store' | null {
  switch (code) {
    case 'TOLLGATE_LIMIT_RATE':
      return 'rate'
    case 'TOLLGATE_LIMIT_TOKENS':
      return 'tokens'
    case 'TOLLGATE_LIMIT_CONCURRENCY':
      return 'concurrency'
    case 'TOLLGATE_LIMIT_BUDGET':
      return 'budget'
    case 'TOLLGATE_LIMIT_TOO_LARGE':
      return 'too_large'
    case 'TOLLGATE_LIMIT_SUSPENDED':
      return 'suspended'
    case 'TOLLGATE_LIMIT_STORE':
      return 'store'
    default:
      return null
  }
}

/** Where the catalogue of metrics says it in other words than `authenticate`. */
const RESULTS: Readonly<Record<string, string>> = {
  unknown_issuer: 'wrong_issuer',
  audience: 'wrong_audience',
  keys_unavailable: 'jwks_unavailable'
}

/** Why a token was refused, or null when the error is about something else. */
export function authResultOf({ code, detail }: GateError): string | null {
  switch (code) {
    case 'TOLLGATE_IDENTIFY_BANNED':
      return 'banned'
    case 'TOLLGATE_AUTHENTICATE_MISSING':
      return 'missing'
    case 'TOLLGATE_AUTHENTICATE_MALFORMED':
      return 'malformed'
    case 'TOLLGATE_AUTHENTICATE_OVERLOADED':
      return 'overloaded'
    case 'TOLLGATE_AUTHENTICATE_INVALID':
    case 'TOLLGATE_AUTHENTICATE_KEYS': {
      const reason = typeof detail.reason === 'string' ? detail.reason : 'invalid'
      return RESULTS[reason] ?? reason
    }
    default:
      return null
  }
}

/** Why a call with a good token was not allowed, or null. */
export function denialOf({ code }: GateError): 'scope' | 'model' | 'route' | 'unknown_team' | null {
  switch (code) {
    case 'TOLLGATE_AUTHORIZE_SCOPE':
      return 'scope'
    case 'TOLLGATE_AUTHORIZE_MODEL':
      return 'model'
    case 'TOLLGATE_INSPECT_CLOSED':
    case 'TOLLGATE_INSPECT_ADMIN':
      return 'route'
    case 'TOLLGATE_ROUTE_TEAM':
      return 'unknown_team'
    default:
      return null
  }
}

/** What became of a request for a token. */
export function issueResultOf(failure: GateError | null): 'ok' | 'credentials' | 'throttled' | 'request' | 'error' {
  switch (failure?.code) {
    case undefined:
      return 'ok'
    case 'TOLLGATE_MINT_LOGIN':
    case 'TOLLGATE_MINT_CLIENT':
    case 'TOLLGATE_MINT_SUBJECT':
      return 'credentials'
    case 'TOLLGATE_MINT_THROTTLED':
    case 'TOLLGATE_MINT_BUSY':
      return 'throttled'
    default:
      return failure?.row.fault === 'client' ? 'request' : 'error'
  }
}
