import { createPrivateKey, generateKeyPairSync, hash } from 'node:crypto'
import type { Ms } from '../time.ts'

/** Algorithms that the mint signs with. */
export type SigningAlgorithm = 'ES256' | 'EdDSA' | 'RS256'

/** Every algorithm that the mint signs with. */
export const SIGNING_ALGORITHMS: readonly SigningAlgorithm[] = ['ES256', 'EdDSA', 'RS256']

/** A private JWK (RFC 7517) with its name and algorithm. */
export interface SigningKey {
  readonly kid: string
  readonly alg: SigningAlgorithm
  readonly jwk: Readonly<Record<string, string>>
}

/** When a key was published and when it signs. What it is at a moment follows from these and from its successors' alone. */
export interface KeyTimes {
  /** From 1, each key of a folder more than the one before. */
  readonly generation: number
  readonly createdAtMs: Ms
  /** Not before: until then it is published, so that everybody knows it who will be shown its tokens. */
  readonly signsFromMs: Ms
  /** How long it stays published when another one signs: more than its tokens live. */
  readonly keepMs: Ms
}

/** A key as it stands in its file. */
export interface RingKey extends SigningKey, KeyTimes {}

/** The public part of a key (RFC 7517): what the set shows. */
export type PublicJwk = Readonly<Record<string, string | undefined>>

/** Thrown for a folder that cannot be used as it is; the message is for the person at the terminal. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError'
}

/** Makes a key pair. Its name is its thumbprint (RFC 7638). */
export function makeKey(alg: SigningAlgorithm): SigningKey {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' }) as Record<string, string>
  return { kid: thumbprint(jwk), alg, jwk }
}

/** What may be shown of a key: named members alone, so that no secret part can slip in. */
export function publicPart(key: SigningKey): PublicJwk {
  return { ...publicMembers(key.jwk), kid: key.kid, alg: key.alg, use: 'sig' }
}

/** The text of a key's file. */
export function keyText({ kid, alg, createdAtMs, signsFromMs, keepMs, jwk }: RingKey): string {
  const times = { createdAt: isoFrom(createdAtMs), signsFrom: isoFrom(signsFromMs), keepMs }
  return `${JSON.stringify({ kid, alg, ...times, jwk }, null, 2)}\n`
}

/** Reads the text of a key's file. @returns null for what is no key of ours, or only half of one */
export function readKeyText(text: string, generation: number): RingKey | null {
  const key = readSigningKey(text)
  if (key === null) return null
  const { createdAt, signsFrom, keepMs } = JSON.parse(text) as Record<string, unknown>
  const createdAtMs = Date.parse(String(createdAt))
  const signsFromMs = Date.parse(String(signsFrom))
  if (!Number.isFinite(createdAtMs) || !Number.isFinite(signsFromMs)) return null
  if (typeof keepMs !== 'number' || !Number.isSafeInteger(keepMs) || keepMs < 0) return null
  return { ...key, generation, createdAtMs, signsFromMs, keepMs }
}

/** Reads a key without its times, as folders of before have it. @returns null for what is no key of ours */
export function readSigningKey(text: string): SigningKey | null {
  try {
    const { kid, alg, jwk } = JSON.parse(text) as SigningKey
    if (!SIGNING_ALGORITHMS.includes(alg) || kid !== thumbprint(jwk)) return null
    // Its parts have to be there and to belong together, or the first signature would show that they do not.
    const { asymmetricKeyType } = createPrivateKey({ key: { ...jwk }, format: 'jwk' })
    const fits = { ES256: 'ec', EdDSA: 'ed25519', RS256: 'rsa' }[alg] === asymmetricKeyType
    return fits ? { kid, alg, jwk } : null
  } catch {
    return null
  }
}

function isoFrom(ms: Ms): string {
  return new Date(ms).toISOString()
}

/** RFC 7638: the hash of the members that make the public key, in the order of their names. */
function thumbprint(jwk: Readonly<Record<string, string>>): string {
  return hash('sha256', JSON.stringify(publicMembers(jwk)), 'base64url')
}

function publicMembers(jwk: Readonly<Record<string, string>>): Record<string, string | undefined> {
  if (jwk.kty === 'RSA') return { e: jwk.e, kty: jwk.kty, n: jwk.n }
  if (jwk.kty === 'EC') return { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
  return { crv: jwk.crv, kty: jwk.kty, x: jwk.x }
}
