import { constants, setPriority } from 'node:os'
import { type PasswordHash, verifyPasswordSync } from './passwords.ts'

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
  if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  return verifyPasswordSync(password, kept)
}
