import { type Detail, GateError } from '../errors.ts'

/** Why a token was refused. For the log alone: the caller learns only that it was. */
export type Reason =
  | 'malformed'
  | 'too_long'
  | 'duplicate_member'
  | 'alg_rejected'
  | 'typ_rejected'
  | 'header_rejected'
  | 'crit'
  | 'unknown_issuer'
  | 'unknown_kid'
  | 'bad_signature'
  | 'expired'
  | 'not_yet_valid'
  | 'issued_in_future'
  | 'lifetime'
  | 'audience'
  | 'claims'
  | 'cnf'
  | 'revoked'

/** The error of a token that is not to be believed. @param more facts for the log, in words of ours */
export function invalid(reason: Reason, more: Detail = {}): GateError {
  return new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason, ...more })
}

/**
 * The error of keys that are not to be had: the token may well be good, so this is never a 401.
 * @param why a sentence for the operator, without addresses or key material
 */
export function keysUnavailable(issuerName: string, why: string): GateError {
  return new GateError('TOLLGATE_AUTHENTICATE_KEYS', { reason: 'keys_unavailable', issuer: issuerName, why })
}
