import { createPrivateKey, randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import { type Sec, secFromMs } from '../time.ts'
import type { SigningKey } from './key-ring.ts'

/** What a token shall say. */
export interface TokenWish {
  readonly issuer: string
  readonly audience: string
  readonly subject: string
  readonly team: string | null
  readonly scopes: readonly string[]
  readonly role: string | null
  readonly ttlSec: Sec
}

/** Signs an access token in the profile of RFC 9068: `typ: at+jwt`, a `jti` of 128 random bits. */
export async function signToken(key: SigningKey, wish: TokenWish, nowMs: number): Promise<string> {
  const iatSec = secFromMs(nowMs)
  const claims = {
    iss: wish.issuer,
    aud: wish.audience,
    sub: wish.subject,
    iat: iatSec,
    exp: iatSec + wish.ttlSec,
    jti: randomBytes(16).toString('base64url'),
    scope: wish.scopes.join(' '),
    ...(wish.team === null ? {} : { team_id: wish.team }),
    ...(wish.role === null ? {} : { role: wish.role })
  }
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt' })
    .sign(createPrivateKey({ key: { ...key.jwk }, format: 'jwk' }))
}
