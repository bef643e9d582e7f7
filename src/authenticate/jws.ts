import { invalid } from './reasons.ts'
import { type JsonObject, readStrictObject } from './strict-json.ts'

/** Longer tokens are refused unread. */
export const MAX_TOKEN_CHARS = 8192

/** What a token says of itself before anybody has vouched for it. */
export interface UnverifiedToken {
  readonly header: { readonly alg: string; readonly kid: string | null; readonly typ: string | null }
  readonly claims: JsonObject
}

const PART = /^[A-Za-z0-9_-]+$/
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** True for what has the shape of a compact JWS: three parts of base64url. Cheap, and without a look inside. */
export function isCompact(token: string): boolean {
  return COMPACT.test(token)
}

/**
 * Takes a compact JWS apart (RFC 7515 section 7.1), accepting one spelling only, and refuses every header that asks
 * for something this gate does not do. Keys and addresses of keys in the header are never looked at.
 *
 * @throws TOLLGATE_AUTHENTICATE_INVALID
 */
export function readUnverified(token: string): UnverifiedToken {
  if (token.length > MAX_TOKEN_CHARS) throw invalid('too_long')
  const parts = token.split('.', 4)
  if (parts.length !== 3) throw invalid('malformed')
  const [header, claims] = parts.map(decodeCanonical) as [Buffer, Buffer, Buffer]
  return { header: readHeader(readStrictObject(header)), claims: readStrictObject(claims) }
}

/** A base64url text has up to 16 spellings that decode alike; the canonical one alone is accepted. */
function decodeCanonical(part: string): Buffer {
  if (!PART.test(part)) throw invalid('malformed')
  const bytes = Buffer.from(part, 'base64url')
  if (bytes.toString('base64url') !== part) throw invalid('malformed')
  return bytes
}

function readHeader(header: JsonObject): UnverifiedToken['header'] {
  const { alg, kid, typ } = header
  if (typeof alg !== 'string') throw invalid('alg_rejected')
  // We understand no extension, so any demand to understand one is refused (RFC 7515 section 4.1.11).
  if (Object.hasOwn(header, 'crit')) throw invalid('crit')
  // Unencoded payloads, compression, encryption, nested tokens.
  for (const name of ['b64', 'zip', 'enc', 'cty']) if (Object.hasOwn(header, name)) throw invalid('header_rejected')
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > 256)) throw invalid('header_rejected')
  if (typ !== undefined && typeof typ !== 'string') throw invalid('typ_rejected')
  return { alg, kid: kid ?? null, typ: typ ?? null }
}
