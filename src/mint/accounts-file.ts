import { type Static, Type } from '../schema-types.ts'
import type { Ms } from '../time.ts'
import { SCOPE } from '../units.ts'
import { type ApiKey, canonicalName, type Grant, type User } from './accounts.ts'
import { API_KEY_ID } from './api-keys.ts'
import { COST, isDated, type PasswordHash, readPhc } from './passwords.ts'

/** Something wrong with an entry, before its place in the text is known. */
export interface AccountFinding {
  readonly severity?: 'warning'
  readonly code: string
  readonly path: readonly (string | number)[]
  readonly at: 'key' | 'value'
  readonly message: string
  readonly hint?: string
}

const TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/
const DIGEST = /^sha256:[0-9a-f]{64}$/

const GRANT = {
  team: Type.String({ minLength: 1, maxLength: 64, expected: 'the name of a team' }),
  scopes: Type.Array(Type.String({ pattern: SCOPE, expected: 'a scope without spaces or quotes' }), { minItems: 1 }),
  role: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  expires: Type.Optional(
    Type.String({ pattern: TIME.source, expected: 'a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z' })
  )
}

/** The file that `mint.users` names. */
export const UsersFileSchema = Type.Object(
  {
    users: Type.Record(
      Type.String(),
      Type.Object(
        {
          password: Type.String({
            pattern: '^\\$argon2id\\$',
            expected: 'an Argon2id hash, as `tollgate users` writes it'
          }),
          ...GRANT,
          suspended: Type.Boolean({ default: false })
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)

/** The file that `mint.api_keys` names. */
export const ApiKeysFileSchema = Type.Object(
  {
    api_keys: Type.Record(
      Type.String(),
      Type.Object(
        {
          digest: Type.String({
            pattern: DIGEST.source,
            expected: 'sha256: and 64 hex digits, as `tollgate api-keys` writes it'
          }),
          sub: Type.String({ minLength: 1, maxLength: 256 }),
          ...GRANT,
          from: Type.Array(Type.String({ format: 'network', expected: 'an address or a network such as 10.0.0.0/8' }), {
            default: []
          })
        },
        { additionalProperties: false }
      )
    )
  },
  { additionalProperties: false }
)

/** A users file after validation. */
export type UsersYaml = Static<typeof UsersFileSchema>
/** An API keys file after validation. */
export type ApiKeysYaml = Static<typeof ApiKeysFileSchema>

/** What no schema can say of users. Takes the file as it is, faulty or not. */
export function checkUsers(value: unknown): readonly AccountFinding[] {
  const seen = new Map<string, string>()
  return entriesOf(value, 'users').flatMap(([name, entry]): AccountFinding[] => {
    const path = ['users', name]
    const canonical = canonicalName(name)
    const findings: AccountFinding[] = []
    const key = { path, at: 'key' as const }
    if (canonical === null) {
      const hint = 'up to 64 letters, digits and . _ @ + -'
      findings.push({ ...key, code: 'E362', message: `"${name}" cannot be the name of a user`, hint })
    } else if (canonical !== name) {
      findings.push({
        ...key,
        code: 'E362',
        message: `names are compared as "${canonical}"`,
        hint: `write ${canonical}`
      })
    }
    const other = seen.get(canonical ?? name)
    if (other !== undefined) findings.push({ ...key, code: 'E362', message: `it is the same name as "${other}"` })
    seen.set(canonical ?? name, name)
    const { password } = entry
    if (typeof password === 'string' && password.startsWith('$argon2id$')) {
      findings.push(...checkPassword(password, [...path, 'password']))
    }
    return [...findings, ...checkTime(entry, path)]
  })
}

function checkPassword(text: string, path: readonly string[]): AccountFinding[] {
  const kept = readPhc(text)
  if (kept === null) {
    const message = 'it is no whole Argon2id hash, or costs too much to verify'
    return [{ code: 'E363', path, at: 'value', message, hint: 'between braces it needs quotes' }]
  }
  if (!isDated(kept)) return []
  const { memoryKib, passes, lanes } = COST
  const hint = `'tollgate users passwd' hashes it with m=${memoryKib},t=${passes},p=${lanes}`
  return [
    { severity: 'warning', code: 'W419', path, at: 'value', message: 'it was hashed with other parameters', hint }
  ]
}

/** The same of API keys. */
export function checkApiKeys(value: unknown): readonly AccountFinding[] {
  return entriesOf(value, 'api_keys').flatMap(([id, entry]): AccountFinding[] => {
    const path = ['api_keys', id]
    const isFit = API_KEY_ID.test(id)
    const message = 'the id of an API key has twelve letters and digits'
    return [...(isFit ? [] : [{ code: 'E364', path, at: 'key' as const, message }]), ...checkTime(entry, path)]
  })
}

function checkTime({ expires }: Readonly<Record<string, unknown>>, path: readonly string[]): AccountFinding[] {
  if (typeof expires !== 'string' || !TIME.test(expires) || readTimeMs(expires) !== null) return []
  return [{ code: 'E365', path: [...path, 'expires'], at: 'value', message: `there is no ${expires} in the calendar` }]
}

/** Users as the mint knows them, from a file without faults. */
export function usersFrom({ users }: UsersYaml): ReadonlyMap<string, User> {
  return new Map(
    Object.entries(users).map(([name, yaml]) => [
      name,
      {
        ...grantFrom(name, yaml),
        password: readPhc(yaml.password) as PasswordHash,
        isSuspended: yaml.suspended
      }
    ])
  )
}

/** API keys likewise. */
export function apiKeysFrom({ api_keys }: ApiKeysYaml): ReadonlyMap<string, ApiKey> {
  return new Map(
    Object.entries(api_keys).map(([id, yaml]) => [
      id,
      {
        ...grantFrom(yaml.sub, yaml),
        id,
        digest: Buffer.from(yaml.digest.slice('sha256:'.length), 'hex'),
        from: yaml.from
      }
    ])
  )
}

/** Reads a time of a file: a day ends it at its beginning, in UTC. @returns null when the calendar has none */
export function readTimeMs(text: string): Ms | null {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) return null
  // The 30th of February is the 2nd of March to some.
  const isThere = new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10))
  return isThere ? ms : null
}

function grantFrom(
  subject: string,
  yaml: { readonly team: string; readonly scopes: string[]; readonly role?: string; readonly expires?: string }
): Grant {
  return {
    subject,
    team: yaml.team,
    scopes: [...new Set(yaml.scopes)],
    role: yaml.role ?? null,
    expiresAtMs: yaml.expires === undefined ? null : readTimeMs(yaml.expires)
  }
}

function entriesOf(value: unknown, name: string): readonly (readonly [string, Readonly<Record<string, unknown>>])[] {
  const all = mapOf(mapOf(value)[name])
  return Object.entries(all).map(([key, entry]) => [key, mapOf(entry)])
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}
