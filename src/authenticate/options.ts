import type { Ms } from '../time.ts'

/** Where an issuer's keys come from. */
export type KeySource =
  | { readonly kind: 'jwks_url'; readonly url: string }
  | { readonly kind: 'discovery' }
  /** Absolute path. */
  | { readonly kind: 'jwks_file'; readonly path: string }
  /** At least 32 bytes. */
  | { readonly kind: 'hs256_secret'; readonly secret: Uint8Array }

/** A way into the claims: own properties, one segment after the other (V21). */
export type ClaimPath = readonly string[]

/** One issuer of tokens, from an item of the YAML key `issuers`. */
export interface IssuerOptions {
  /** For logs and metrics. */
  readonly name: string
  /** The exact `iss`. */
  readonly issuer: string
  readonly keys: KeySource
  /** Any one of them must stand in `aud`. Never empty. */
  readonly audiences: readonly string[]
  /** `['HS256']` exactly when the key source is a secret, else never an HS algorithm. */
  readonly algorithms: readonly string[]
  readonly maxLifetimeMs: Ms
  /** Applies to `nbf` and `iat`; `exp` is exact. */
  readonly clockSkewMs: Ms
  /** Accepted `typ`, compared without case and without `application/`; a token without `typ` passes when `JWT` is listed. */
  readonly types: readonly string[]
  readonly claims: {
    readonly team: ClaimPath
    readonly subject: ClaimPath
    readonly role: ClaimPath
    /** The union of all of them; each a list of strings or a string with spaces between. */
    readonly scopes: readonly ClaimPath[]
  }
  readonly refreshEveryMs: Ms
  /** How long the last good keys serve while the source fails. */
  readonly maxStaleMs: Ms
}

/** What `authenticate/` needs, from the YAML keys `issuers` and `tokens`. */
export interface AuthenticateOptions {
  readonly issuers: readonly IssuerOptions[]
  readonly cache: { readonly maxEntries: number; readonly maxTtlMs: Ms }
}
