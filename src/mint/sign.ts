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
  /** Who asked for it, as RFC 9068 wants it of tokens that were asked for; left out unless given. */
  readonly clientId?: string
  /** 128 random bits of its own unless given. */
  readonly jti?: string
}

/** A name for one token that no other has: 128 random bits. */
export function makeJti(): string {
  return randomBytes(16).toString('base64url')
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
    jti: wish.jti ?? makeJti(),
    scope: wish.scopes.join(' '),
    ...(wish.clientId === undefined ? {} : { client_id: wish.clientId }),
    ...(wish.team === null ? {} : { team_id: wish.team }),
    ...(wish.role === null ? {} : { role: wish.role })
  }
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt' })
    .sign(createPrivateKey({ key: { ...key.jwk }, format: 'jwk' }))
}
