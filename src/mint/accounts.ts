import { type Ms, secFromMs } from '../time.ts'
import type { PasswordHash } from './passwords.ts'

/** What a token of an account may say. */
export interface Grant {
  /** `sub` of its tokens. */
  readonly subject: string
  readonly team: string
  /** Never empty. */
  readonly scopes: readonly string[]
  readonly role: string | null
  /** When it ends, or null. No token of it outlives that. */
  readonly expiresAtMs: Ms | null
}

/** Somebody with a name and a password. The name is the subject. */
export interface User extends Grant {
  readonly password: PasswordHash
  readonly isSuspended: boolean
}

/** A key that a program shows for a token. */
export interface ApiKey extends Grant {
  readonly id: string
  /** SHA-256 of the secret part. 32 bytes. */
  readonly digest: Buffer
  /** Networks from which it may be used; empty for everywhere. */
  readonly from: readonly string[]
}

/** Every account that there is. */
export interface Accounts {
  /** By canonical name; null where nobody can log in. */
  readonly users: ReadonlyMap<string, User> | null
  /** By id; null where there are none. */
  readonly apiKeys: ReadonlyMap<string, ApiKey> | null
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]{0,63}$/u

/**
 * The one way to write a name: NFKC and lower case, so that `ADA` and `ada` share a password and a counter.
 * @returns null for what is no name
 */
export function canonicalName(text: string): string | null {
  if (text.length > 256) return null
  // Lower case of a compatible letter may be another one, and the other way round.
  const name = text.normalize('NFKC').toLowerCase().normalize('NFKC')
  return NAME.test(name) ? name : null
}

/** Whether an account that ends has ended: no token of it would live for a second. */
export function hasEnded({ expiresAtMs }: Pick<Grant, 'expiresAtMs'>, nowMs: Ms): boolean {
  return expiresAtMs !== null && secFromMs(expiresAtMs) <= secFromMs(nowMs)
}
