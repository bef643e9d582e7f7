import { createHmac, timingSafeEqual } from 'node:crypto'
import { maskedUrl } from '../masked-url.ts'
import type { Ms, NowMs } from '../time.ts'
import { type Path, pathText } from './faults.ts'
import { mapOf } from './loose.ts'

/** What one side knows of the secrets of a configuration, for the other to compare: by path, in hex. */
export interface SecretDigests {
  /** 16 random bytes in hex, of this one time. */
  readonly salt: string
  readonly digests: Readonly<Record<string, string>>
}

/** Which secrets are others, by path; or why nothing was compared. */
export type SecretsCompared =
  | { readonly ok: true; readonly differing: readonly string[] }
  | { readonly ok: false; readonly why: 'invalid' | 'too_often' }

const SALT = /^[0-9a-f]{32}$/
const DIGEST = /^[0-9a-f]{64}$/
const MAX_PER_MINUTE = 10
const MINUTE_MS: Ms = 60_000

/** Digests of every secret of a configuration, for one comparison. */
export function digestSecrets(config: unknown, isSecret: (path: Path) => boolean, salt: string): SecretDigests {
  const secrets = secretsOf(config, isSecret)
  return {
    salt,
    digests: Object.fromEntries([...secrets].map(([path, text]) => [path, hmac(salt, text).toString('hex')]))
  }
}

/**
 * Compares digests that somebody sends with the secrets that run. It answers whether they are the same and gives out no digest:
 * whoever wants to guess a secret by it has to ask for each guess, ten times a minute at most.
 */
export function createComparer(init: {
  readonly running: () => unknown
  readonly isSecret: (path: Path) => boolean
  readonly nowMs: NowMs
}): (asked: unknown) => SecretsCompared {
  let asked: { sinceMs: Ms; count: number } = { sinceMs: init.nowMs(), count: 0 }
  return body => {
    const now = init.nowMs()
    if (Math.abs(now - asked.sinceMs) >= MINUTE_MS) asked = { sinceMs: now, count: 0 }
    if (++asked.count > MAX_PER_MINUTE) return { ok: false, why: 'too_often' }
    const { salt, digests } = mapOf(body)
    const pairs = Object.entries(mapOf(digests))
    if (typeof salt !== 'string' || !SALT.test(salt) || !pairs.every(([, digest]) => DIGEST.test(String(digest)))) {
      return { ok: false, why: 'invalid' }
    }
    const secrets = secretsOf(init.running(), init.isSecret)
    const differing = pairs.flatMap(([path, digest]) => {
      const secret = secrets.get(path)
      if (secret === undefined) return []
      return timingSafeEqual(hmac(salt, secret), Buffer.from(String(digest), 'hex')) ? [] : [path]
    })
    return { ok: true, differing }
  }
}

/** Secrets by their paths: what the schema calls so, and URLs with a user or a query. */
function secretsOf(value: unknown, isSecret: (path: Path) => boolean, path: Path = []): ReadonlyMap<string, string> {
  if (typeof value === 'object' && value !== null) {
    return new Map(
      Object.entries(value).flatMap(([name, item]) => [
        ...secretsOf(item, isSecret, [...path, Array.isArray(value) ? Number(name) : name])
      ])
    )
  }
  const isOne = isSecret(path) ? value !== undefined : typeof value === 'string' && maskedUrl(value) !== value
  return new Map(isOne ? [[pathText(path), String(value)]] : [])
}

function hmac(salt: string, secret: string): Buffer {
  return createHmac('sha256', salt).update(secret).digest()
}
