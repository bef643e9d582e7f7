import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { DURATION, readDurationMs } from '../units.ts'

/** Where an issuer's keys come from. */
export type KeySource =
  | { readonly kind: 'jwks_url'; readonly url: string }
  | { readonly kind: 'discovery' }
  /** Absolute path. */
  | { readonly kind: 'jwks_file'; readonly path: string }
  /** At least 32 bytes. */
  | { readonly kind: 'hs256_secret'; readonly secret: Uint8Array }
  /** The gate's own, in this process. */
  | { readonly kind: 'own' }

/** What the gate's own issuer is called where issuers are named. */
export const OWN_NAME = 'tollgate'

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
    /** What the token limits itself to; null where nobody has said where. */
    readonly limits: ClaimPath | null
  }
  readonly refreshEveryMs: Ms
  /** How long the last good keys serve while the source fails. */
  readonly maxStaleMs: Ms
}

/** One item of the file of revocations. */
export interface RevocationEntry {
  readonly kind: 'jti' | 'sub' | 'team' | 'kid'
  /** The exact `iss`; null for a team of whatever issuer. */
  readonly iss: string | null
  readonly value: string
  /** Tokens that were issued before; null for all, as long as it stands there. */
  readonly beforeMs: Ms | null
  /** Null where the file does not say. */
  readonly cutStreams: boolean | null
  readonly reason: string | null
}

/** From the YAML key `revocation`. Paths are absolute. */
export interface RevocationOptions {
  readonly file: string | null
  readonly keep: string | null
  /** For whom only looks: what is kept is read, and neither written nor told to other gates. Not from the file. */
  readonly isReadOnly?: boolean
  readonly cutStreams: boolean
}

/** What `authenticate/` needs, from the YAML keys `issuers` and `tokens`. */
export interface AuthenticateOptions {
  readonly issuers: readonly IssuerOptions[]
  readonly cache: { readonly maxEntries: number; readonly maxTtlMs: Ms }
}

const ASYMMETRIC = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519'
] as const
const segments = Type.Union(
  [Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })],
  {
    expected: 'the name of a claim, or a list of segments that reaches into objects'
  }
)
const KEY_URL = { format: 'key-url', expected: 'an https URL (http is for this very machine)' } as const

/** One item of the YAML key `issuers`. */
export const IssuerSchema = Type.Object(
  {
    name: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_.-]{1,64}$',
        expected: 'a short name of letters, digits, _ . -',
        description: 'Its name in logs; the host of the issuer unless given.'
      })
    ),
    issuer: Type.String({ minLength: 1, maxLength: 1024, description: 'The exact `iss` of its tokens.' }),
    jwks_url: Type.Optional(
      Type.String({
        ...KEY_URL,
        description: 'Where its keys are. Absent, with the next two: found by OpenID discovery.'
      })
    ),
    jwks_file: Type.Optional(
      Type.String({ minLength: 1, description: 'A file with its keys, re-read when it changes.' })
    ),
    hs256_secret: Type.Optional(
      Type.String({
        secret: true,
        minLength: 32,
        expected: 'a secret of at least 32 bytes',
        description: 'A secret shared with the issuer, for HS256 alone. For trials, not for production.'
      })
    ),
    audience: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
      expected: 'a name or a list of names, not empty',
      description: 'One of these must stand in `aud`.'
    }),
    algorithms: Type.Array(Type.Enum([...ASYMMETRIC]), {
      minItems: 1,
      default: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      description: 'Signature algorithms that are accepted.'
    }),
    max_lifetime: Type.String({ ...DURATION, default: '1h', description: 'Tokens that live longer are refused.' }),
    clock_skew: Type.String({
      ...DURATION,
      default: '30s',
      description: 'How far clocks may differ, for `nbf` and `iat`; `exp` is exact.'
    }),
    types: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      default: ['JWT', 'at+jwt'],
      description: 'Accepted `typ`; a token without one counts as JWT.'
    }),
    claims: Type.Object(
      {
        team: { ...segments, default: 'team_id', description: 'Where the team stands.' },
        subject: { ...segments, default: 'sub', description: 'Where the subject stands.' },
        role: { ...segments, default: 'role', description: 'Where the role stands.' },
        scopes: Type.Array(segments, {
          minItems: 1,
          default: ['scopes', 'scope', 'scp'],
          description: 'Where scopes stand; all that are found count.'
        }),
        limits: Type.Optional({
          ...segments,
          description:
            'Where limits of the subject stand, such as { rpm: 10, tpm: 5000, concurrent: 2 }: they lower what `limits` and `teams` say.'
        })
      },
      {
        additionalProperties: false,
        default: {},
        description: 'Where the claims stand: a name, or a list of segments.'
      }
    ),
    refresh: Type.Object(
      {
        every: Type.String({ ...DURATION, default: '5m', description: 'How often keys are fetched.' }),
        max_stale: Type.String({
          ...DURATION,
          default: '24h',
          description: 'How long the last good keys serve while the source fails.'
        })
      },
      { additionalProperties: false, default: {}, description: 'How keys are kept fresh.' }
    )
  },
  { additionalProperties: false, description: 'An issuer of tokens.' }
)

/** The YAML key `tokens`. */
export const TokensSchema = Type.Object(
  {
    cache: Type.Object(
      {
        entries: Type.Integer({
          minimum: 1,
          maximum: 10_000_000,
          default: 50_000,
          description: 'How many verified tokens are remembered, about 1 KiB each.'
        }),
        max_ttl: Type.String({
          ...DURATION,
          default: '5m',
          description: 'How long at most, though never beyond their expiry.'
        })
      },
      { additionalProperties: false, default: {}, description: 'The memory of verified tokens.' }
    )
  },
  { additionalProperties: false, default: {}, description: 'How tokens are handled.' }
)

/** The YAML key `revocation`. */
export const RevocationSchema = Type.Object(
  {
    file: Type.Optional(
      Type.String({ minLength: 1, description: 'A file that names what is revoked, loaded anew when it changes.' })
    ),
    keep: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'Where this gate keeps what operators have revoked while it ran, for its next start.'
      })
    ),
    cut_streams: Type.Boolean({
      default: false,
      description: 'Whether running calls of whoever is revoked are ended, unless the revocation says.'
    })
  },
  { additionalProperties: false, default: {}, description: 'Tokens that are taken back before they expire.' }
)

/** Reads the key `revocation`. @param resolve makes a path absolute */
export function revocationOptions(
  yaml: Static<typeof RevocationSchema>,
  resolve: (path: string) => string
): RevocationOptions {
  const pathOf = (path: string | undefined) => (path === undefined ? null : resolve(path))
  return { file: pathOf(yaml.file), keep: pathOf(yaml.keep), cutStreams: yaml.cut_streams }
}

/** Reads the keys `issuers` and `tokens`. @param resolve makes a path absolute */
export function authenticateOptions(
  issuers: readonly Static<typeof IssuerSchema>[],
  tokens: Static<typeof TokensSchema>,
  resolve: (path: string) => string
): AuthenticateOptions {
  return {
    issuers: issuers.map(yaml => issuerOptions(yaml, resolve)),
    cache: { maxEntries: tokens.cache.entries, maxTtlMs: readDurationMs(tokens.cache.max_ttl) }
  }
}

function issuerOptions(yaml: Static<typeof IssuerSchema>, resolve: (path: string) => string): IssuerOptions {
  const keys = keySourceOf(yaml, resolve)
  return {
    name: yaml.name ?? (URL.canParse(yaml.issuer) ? new URL(yaml.issuer).host : yaml.issuer),
    issuer: yaml.issuer,
    keys,
    audiences: typeof yaml.audience === 'string' ? [yaml.audience] : yaml.audience,
    // A shared secret and public keys must never meet under one issuer: that is the oldest forgery of all.
    algorithms: keys.kind === 'hs256_secret' ? ['HS256'] : yaml.algorithms,
    maxLifetimeMs: readDurationMs(yaml.max_lifetime),
    clockSkewMs: readDurationMs(yaml.clock_skew),
    types: yaml.types,
    claims: {
      team: pathOf(yaml.claims.team),
      subject: pathOf(yaml.claims.subject),
      role: pathOf(yaml.claims.role),
      scopes: yaml.claims.scopes.map(pathOf),
      limits: yaml.claims.limits === undefined ? null : pathOf(yaml.claims.limits)
    },
    refreshEveryMs: readDurationMs(yaml.refresh.every),
    maxStaleMs: readDurationMs(yaml.refresh.max_stale)
  }
}

function keySourceOf(yaml: Static<typeof IssuerSchema>, resolve: (path: string) => string): KeySource {
  if (yaml.jwks_url !== undefined) return { kind: 'jwks_url', url: yaml.jwks_url }
  if (yaml.jwks_file !== undefined) return { kind: 'jwks_file', path: resolve(yaml.jwks_file) }
  if (yaml.hs256_secret !== undefined) return { kind: 'hs256_secret', secret: Buffer.from(yaml.hs256_secret) }
  return { kind: 'discovery' }
}

function pathOf(claim: string | readonly string[]): ClaimPath {
  return typeof claim === 'string' ? [claim] : claim
}
