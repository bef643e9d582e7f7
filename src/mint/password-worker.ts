import { setPriority } from 'node:os'
import { type PasswordHash, verifyPasswordSync } from './passwords.ts'

/** With the event loop on one CPU that has no time left, a thread gets a quarter of it: a login then takes 0.2 s. */
const NICE = 5

/** What a thread is asked. */
export interface PasswordQuestion {
  readonly password: string
  readonly kept: PasswordHash
}

/**
 * Entry of a thread that hashes: whether a password is the one that is kept.
 * The thread gives way to all others of the process; that is per thread on Linux alone.
 */
export default function verify({ password, kept }: PasswordQuestion): boolean {
  if (process.platform === 'linux') setPriority(NICE)
  return verifyPasswordSync(password, kept)
}
