import type { Client } from '../../src/caller.ts'
import type { ApiKey, User } from '../../src/mint/accounts.ts'
import { makeApiKey } from '../../src/mint/api-keys.ts'
import { hashPassword } from '../../src/mint/passwords.ts'

/** What a test can afford to hash often. */
export const CHEAP = { memoryKib: 64, passes: 1, lanes: 1 }

/** A user whose password costs little. */
export async function userOf(name: string, password: string, more: Partial<User> = {}): Promise<User> {
  return {
    subject: name,
    team: 'red',
    scopes: ['infer:text', 'infer:multimodal'],
    role: null,
    expiresAtMs: null,
    password: await hashPassword(password, CHEAP),
    isSuspended: false,
    ...more
  }
}

/** A key as it is shown, and what is kept of it. */
export function apiKeyOf(more: Partial<ApiKey> = {}): { key: string; kept: ApiKey } {
  const { id, key, digest } = makeApiKey()
  const kept = {
    id,
    digest,
    from: [],
    subject: 'robot',
    team: 'red',
    scopes: ['infer:text', 'infer:multimodal'],
    role: null,
    expiresAtMs: null,
    ...more
  }
  return { key, kept }
}

/** Somebody at an address. */
export function clientAt(ip: string): Client {
  return { ip, key: ip, peerIp: ip, isProxy: false }
}
