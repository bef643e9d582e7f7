import { createPublicKey, createSecretKey, hash, type KeyObject } from 'node:crypto'
import { isObject, type JsonObject } from './strict-json.ts'
import { isRocaModulus } from './weak-rsa.ts'

/** A key that may verify signatures. */
export interface VerifyKey {
  readonly kid: string | null
  /** RFC 7638 thumbprint: which key vouched for a cached token. */
  readonly thumbprint: string
  /** The algorithms that this key may be used with; never more than its kind allows. */
  readonly algorithms: ReadonlySet<string>
  readonly key: KeyObject
}

/** What became of a key set. */
export interface ReadKeys {
  readonly keys: readonly VerifyKey[]
  /** Why others were left out. Words of ours, without key material. */
  readonly refused: readonly string[]
}

const MAX_KEYS = 64
const CURVE_ALGORITHMS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['P-256', ['ES256']],
  ['P-384', ['ES384']],
  ['P-521', ['ES512']]
])
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
// RFC 9864 gives Ed25519 a name of its own; both mean the same key.
const ED25519_ALGORITHMS = ['EdDSA', 'Ed25519']

/**
 * Reads a JWK set (RFC 7517) and keeps the keys that are fit to verify signatures.
 * Secret and private keys, keys for other uses, weak and odd ones are left out.
 *
 * @throws TypeError when it is no key set
 */
export function readKeySet(jwks: unknown): ReadKeys {
  if (!isObject(jwks) || !Array.isArray(jwks.keys)) throw new TypeError('not a JWK set')
  if (jwks.keys.length > MAX_KEYS) throw new TypeError(`more than ${MAX_KEYS} keys`)
  const keys: VerifyKey[] = []
  const refused: string[] = []
  for (const [index, jwk] of jwks.keys.entries()) {
    try {
      keys.push(readKey(jwk))
    } catch (err) {
      refused.push(`key ${index}: ${err instanceof TypeError ? err.message : 'not readable'}`)
    }
  }
  return { keys, refused }
}

/** A shared secret as a key for HS256 alone. */
export function keyFromSecret(secret: Uint8Array): VerifyKey {
  return {
    kid: null,
    thumbprint: hash('sha256', Buffer.from(secret), 'base64url'),
    algorithms: new Set(['HS256']),
    key: createSecretKey(secret)
  }
}

function readKey(jwk: unknown): VerifyKey {
  if (!isObject(jwk)) throw new TypeError('no object')
  for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth', 'priv']) {
    if (Object.hasOwn(jwk, secret)) throw new TypeError('holds a secret part')
  }
  if (jwk.use !== undefined && jwk.use !== 'sig') throw new TypeError('not for signatures')
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify'))) {
    throw new TypeError('not for verifying')
  }
  if (jwk.kid !== undefined && (typeof jwk.kid !== 'string' || jwk.kid.length > 256)) throw new TypeError('kid')
  const { algorithms, members } = readKind(jwk)
  const key = createPublicKey({ key: members, format: 'jwk' })
  checkStrength(key)
  if (members.kty === 'RSA' && isRocaModulus(members.n ?? ''))
    throw new TypeError('RSA with a known weakness (CVE-2017-15361)')
  return {
    kid: jwk.kid ?? null,
    thumbprint: hash('sha256', JSON.stringify(members), 'base64url'),
    algorithms: narrow(algorithms, jwk.alg),
    key
  }
}

/** The members that make the key, in the order of RFC 7638 section 3.2, and what it can do. */
function readKind(jwk: JsonObject): { algorithms: readonly string[]; members: Record<string, string> } {
  const text = (name: string): string => {
    const value = jwk[name]
    if (typeof value !== 'string') throw new TypeError(`${name} is missing`)
    return value
  }
  switch (jwk.kty) {
    case 'RSA':
      return { algorithms: RSA_ALGORITHMS, members: { e: text('e'), kty: 'RSA', n: text('n') } }
    case 'EC': {
      const algorithms = CURVE_ALGORITHMS.get(jwk.crv)
      if (algorithms === undefined) throw new TypeError('curve')
      return { algorithms, members: { crv: text('crv'), kty: 'EC', x: text('x'), y: text('y') } }
    }
    case 'OKP':
      if (jwk.crv !== 'Ed25519') throw new TypeError('curve')
      return { algorithms: ED25519_ALGORITHMS, members: { crv: 'Ed25519', kty: 'OKP', x: text('x') } }
    default:
      throw new TypeError('kty')
  }
}

function checkStrength(key: KeyObject): void {
  if (key.asymmetricKeyType !== 'rsa') return
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < 2048 || modulusLength > 8192) throw new TypeError(`RSA of ${modulusLength} bits`)
  if (publicExponent < 3n || publicExponent % 2n === 0n) throw new TypeError('RSA exponent')
}

/** A key that names its algorithm is used with no other (RFC 7517 section 4.4). */
function narrow(algorithms: readonly string[], alg: unknown): ReadonlySet<string> {
  if (alg === undefined) return new Set(algorithms)
  if (typeof alg !== 'string' || !algorithms.includes(alg)) throw new TypeError('alg does not fit')
  return new Set(ED25519_ALGORITHMS.includes(alg) ? ED25519_ALGORITHMS : [alg])
}
