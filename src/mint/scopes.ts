import { GateError } from '../errors.ts'
import { SCOPE } from '../units.ts'

const WORD = new RegExp(SCOPE)
const MAX_SCOPES = 128

/**
 * Reads the parameter `scope` (RFC 6749 section 3.3).
 * @returns null when nothing was asked for, which asks for everything
 * @throws TOLLGATE_MINT_SCOPE for what is no list of scopes
 */
export function readScopes(text: string | undefined): ReadonlySet<string> | null {
  if (text === undefined) return null
  const words = text.split(' ')
  if (words.length > MAX_SCOPES || !words.every(word => WORD.test(word))) {
    throw new GateError('TOLLGATE_MINT_SCOPE', { reason: 'scope' })
  }
  return new Set(words)
}
