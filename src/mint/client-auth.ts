import { GateError } from '../errors.ts'
import { decodeForm, type Parameters } from './parameters.ts'

/** What a client has shown of itself. */
export interface ClientCredentials {
  /** Null when it has named its secret alone. */
  readonly id: string | null
  readonly secret: string
}

const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i

/**
 * Reads how a client authenticates itself: `client_secret_basic`, or `client_secret_post` (RFC 6749 section 2.3.1).
 *
 * @returns null when it does not
 * @throws TOLLGATE_MINT_CLIENT for an `Authorization` of another kind
 * @throws TOLLGATE_MINT_REQUEST for both ways at once
 */
export function readClient(parameters: Parameters, authorization: string | undefined): ClientCredentials | null {
  const posted = parameters.get('client_secret')
  const id = parameters.get('client_id') ?? null
  if (authorization === undefined) return posted === undefined ? null : { id, secret: posted }
  if (posted !== undefined) throw new GateError('TOLLGATE_MINT_REQUEST', { reason: 'two_ways' })
  const [, encoded = ''] = BASIC.exec(authorization) ?? []
  const pair = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon === -1) throw new GateError('TOLLGATE_MINT_CLIENT', { reason: 'authorization' })
  const named = decodeForm(pair.slice(0, colon))
  // Said twice, it has to be the same (RFC 6749 section 2.3.1 has it once).
  if (id !== null && id !== named) throw new GateError('TOLLGATE_MINT_REQUEST', { reason: 'two_ways' })
  return { id: named === '' ? null : named, secret: decodeForm(pair.slice(colon + 1)) }
}
