import { GateError } from '../errors.ts'

/** `Bearer` and a b64token (RFC 6750 section 2.1); the scheme's case does not matter (RFC 9110 section 11.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * Finds the one token of a request: in `Authorization: Bearer`, or, on `/v1/messages`, where Anthropic's clients put
 * it, in `x-api-key`. Never in the query, a cookie or the body (RFC 9700 section 4.3.2).
 *
 * @param rawHeaders name, value, name, value … as received: Node's `headers` hides a second Authorization
 * @throws TOLLGATE_AUTHENTICATE_MISSING when there is none
 * @throws TOLLGATE_AUTHENTICATE_MALFORMED when there are two, or what is there is no bearer token
 */
export function readBearer(rawHeaders: readonly string[], path: string): string {
  const takesApiKey = path === '/v1/messages' || path.startsWith('/v1/messages/')
  let token: string | null = null
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    let found: string | undefined
    if (name.length === 13 && name.toLowerCase() === 'authorization') {
      found = BEARER.exec(value)?.[1]
    } else if (takesApiKey && name.length === 9 && name.toLowerCase() === 'x-api-key') {
      found = B64TOKEN.test(value) ? value : undefined
    } else {
      continue
    }
    if (found === undefined || token !== null)
      throw new GateError('TOLLGATE_AUTHENTICATE_MALFORMED', { header: name.toLowerCase() })
    token = found
  }
  if (token === null) throw new GateError('TOLLGATE_AUTHENTICATE_MISSING')
  return token
}
