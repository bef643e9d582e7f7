import type { GateError } from '../errors.ts'

/**
 * How much a refused token counts against its address, by the reason of the refusal. What is not named here counts nothing: an
 * expired token, a missing scope, keys that are not to be had are no attack.
 */
export const WEIGHTS: Readonly<Record<string, number>> = {
  bad_signature: 1,
  malformed: 1,
  too_long: 1,
  duplicate_member: 1,
  alg_rejected: 1,
  header_rejected: 1,
  crit: 1,
  unknown_issuer: 0.5,
  unknown_kid: 0.5,
  audience: 0.25,
  typ_rejected: 0.25,
  claims: 0.25
}

/** What a refusal counts against the address that it went to; 0 for one that is about no token. */
export function weightOf({ code, detail }: GateError): number {
  if (code === 'TOLLGATE_AUTHENTICATE_MALFORMED') return WEIGHTS.malformed ?? 0
  if (code !== 'TOLLGATE_AUTHENTICATE_INVALID' || typeof detail.reason !== 'string') return 0
  return WEIGHTS[detail.reason] ?? 0
}
