import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { DURATION, readDurationMs } from '../units.ts'
import type { SigningAlgorithm } from './key-file.ts'
import { type RingTimes, ringTimes } from './key-states.ts'

/** What `mint/` needs, from the YAML key `mint`. */
export interface MintOptions {
  /** `iss` of its tokens. */
  readonly issuer: string
  /** `aud` of its tokens. */
  readonly audience: string
  readonly keys: MintKeysOptions
  /** How long tokens live, at most an hour. */
  readonly ttlMs: Ms
  /** Absolute path, or null: nobody logs in. */
  readonly users: string | null
  /** Absolute path, or null: there are no API keys. */
  readonly apiKeys: string | null
}

/** What it signs with. */
export interface MintKeysOptions {
  /** Absolute. */
  readonly dir: string
  /** Of new keys. */
  readonly algorithm: SigningAlgorithm
  readonly times: RingTimes
}

/** Tokens of the gate live for so long at most, whatever is configured: what every gate accepts of the others. */
export const MAX_TTL_MS: Ms = 3_600_000
/** How long others may remember the public keys. A key waits longer than this before it signs. */
export const MAX_AGE_SEC = 300

/** The YAML key `mint`. */
export const MintSchema = Type.Optional(
  Type.Object(
    {
      issuer: Type.String({
        format: 'key-url',
        maxLength: 1024,
        expected: 'an https URL (http is for this very machine)',
        description: 'The `iss` of its tokens, and where callers reach the gate; no item of `issuers` may have it.'
      }),
      audience: Type.String({ minLength: 1, maxLength: 1024, description: 'The `aud` of its tokens.' }),
      keys: Type.Object(
        {
          dir: Type.String({
            minLength: 1,
            description: 'The folder of its keys, for its owner alone; made on first use. Gates may share it.'
          }),
          algorithm: Type.Enum(['ES256', 'EdDSA', 'RS256'], { default: 'ES256', description: 'Of new keys.' }),
          rotate: Type.String({ ...DURATION, default: '30d', description: 'How long a key signs.' }),
          wait: Type.String({
            ...DURATION,
            default: '15m',
            description: 'How long a key is published before it signs; more than others remember the set.'
          }),
          keep: Type.String({
            ...DURATION,
            default: '65m',
            description: 'How long a key stays published after it has signed; more than `ttl`.'
          })
        },
        { additionalProperties: false, description: 'What it signs with.' }
      ),
      ttl: Type.String({ ...DURATION, default: '15m', description: 'How long its tokens live; an hour at most.' }),
      users: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'A file of users (mode 0600), followed while the gate runs; `tollgate users` edits it. Absent: no POST /login.'
        })
      ),
      api_keys: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'A file of API keys (mode 0600), followed while the gate runs; `tollgate api-keys` edits it. Absent: no POST /token.'
        })
      )
    },
    {
      additionalProperties: false,
      description: 'Short-lived tokens of the gate itself, for teams without an identity provider. Absent: none.'
    }
  )
)

/** Reads the key `mint`. @param resolve makes a path absolute @returns null when there is none */
export function mintOptions(
  yaml: Static<typeof MintSchema> | undefined,
  resolve: (path: string) => string
): MintOptions | null {
  if (yaml === undefined) return null
  return {
    issuer: yaml.issuer,
    audience: yaml.audience,
    keys: {
      dir: resolve(yaml.keys.dir),
      algorithm: yaml.keys.algorithm as SigningAlgorithm,
      times: ringTimes({
        rotateMs: readDurationMs(yaml.keys.rotate),
        waitMs: readDurationMs(yaml.keys.wait),
        keepMs: readDurationMs(yaml.keys.keep)
      })
    },
    ttlMs: readDurationMs(yaml.ttl),
    users: yaml.users === undefined ? null : resolve(yaml.users),
    apiKeys: yaml.api_keys === undefined ? null : resolve(yaml.api_keys)
  }
}
