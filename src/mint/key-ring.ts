import { generateKeyPairSync, hash, randomBytes } from 'node:crypto'
import { chmodSync, linkSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../make-folder.ts'

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

/** A folder with one key to sign with, and the public set to verify with. */
export interface KeyRing {
  readonly signing: SigningKey
  /** Where the public set stands: what `jwks_file` names. */
  readonly jwksFile: string
  /** True when this call made the keys. */
  readonly isNew: boolean
}

/** Thrown for a folder that cannot be used as it is; the message is for the person at the terminal. */
export class KeyRingError extends Error {
  override readonly name = 'KeyRingError'
}

const PRIVATE_FILE = 'signing-key.json'
const PUBLIC_FILE = 'jwks.json'

/**
 * Opens the key ring of a folder; makes one when there is none. The private file is for its owner alone (0600), the
 * folder too (0700). When two programs begin at once, one of them makes the key and both use it.
 *
 * @throws KeyRingError when the private file is readable for others, or not readable as a key
 */
export function openKeyRing(dir: string, options: { readonly algorithm?: SigningAlgorithm } = {}): KeyRing {
  const privateFile = join(dir, PRIVATE_FILE)
  const jwksFile = join(dir, PUBLIC_FILE)
  makeFolder(dir, 0o700)
  const isNew = placeOnce(privateFile, () => JSON.stringify(makeKey(options.algorithm ?? 'ES256')))
  const signing = readKey(privateFile)
  writeWhole(jwksFile, `${JSON.stringify({ keys: [publicPart(signing)] }, null, 2)}\n`, 0o644)
  return { signing, jwksFile, isNew }
}

function makeKey(alg: SigningAlgorithm): SigningKey {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' }) as Record<string, string>
  return { kid: thumbprint(jwk), alg, jwk }
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

function publicPart(key: SigningKey): Record<string, unknown> {
  return { ...publicMembers(key.jwk), kid: key.kid, alg: key.alg, use: 'sig' }
}

function readKey(file: string): SigningKey {
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new KeyRingError(`${file} can be read by others than its owner. Run: chmod 600 ${file}`)
  }
  try {
    const key = JSON.parse(readFileSync(file, 'utf8')) as SigningKey
    if (SIGNING_ALGORITHMS.includes(key.alg) && key.kid === thumbprint(key.jwk)) return key
  } catch {
    // Said below, without the text of the file.
  }
  throw new KeyRingError(`${file} is not a key of ours, or only half of one. Remove it to have a new one made.`)
}

/** Writes a file that must not exist yet, whole or not at all. @returns false when it was there already */
function placeOnce(file: string, make: () => string): boolean {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return false
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, make(), { mode: 0o600, flag: 'wx', flush: true })
  try {
    // A link, unlike a rename, fails when another program was first.
    linkSync(draft, file)
    return true
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'EEXIST') return false
    throw err
  } finally {
    unlinkSync(draft)
  }
}

function writeWhole(file: string, text: string, mode: number): void {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, text, { mode, flag: 'wx' })
  chmodSync(draft, mode)
  renameSync(draft, file)
}
