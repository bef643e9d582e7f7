import { setPriority } from 'node:os'
import { type PasswordHash, verifyPasswordSync } from './passwords.ts'

/** Beside an event loop that keeps one CPU busy, a thread gets a quarter of it: a login took up to 0.6 s in a login storm. */
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
  try {
    if (process.platform === 'linux') setPriority(NICE)
  } catch {
    // A sandbox may forbid it. The answer is the same at any priority.
  }
  return verifyPasswordSync(password, kept)
}
