import type { Piscina } from 'piscina'
import type { PasswordQuestion } from './password-worker.ts'
import type { PasswordHash } from './passwords.ts'

/** Passwords that are hashed at once: 19 MiB each. */
export const HASHED_AT_ONCE = 2
const IDLE_MS = 30_000
/** Of the heap of a thread; what Argon2 takes comes on top of it. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }

/**
 * Verifies passwords on threads of a low priority.
 *
 * A hash takes some 35 ms of a CPU. In the thread pool of the process it would compete with the event loop where there are few
 * CPUs, and with the verification of tokens everywhere. A thread starts with the first login and ends when there have been none.
 */
export class PasswordThreads {
  #pool: Promise<Pool> | null = null
  #isClosed = false

  /** @returns whether it is the password that is kept; takes the same for right and wrong ones */
  async verify(password: string, kept: PasswordHash): Promise<boolean> {
    if (this.#isClosed) throw new Error('the threads that hash have ended')
    this.#pool ??= openPool()
    return (await this.#pool).run({ password, kept })
  }

  /** Ends the threads. What is asked of them is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true
    await (await this.#pool)?.destroy()
  }
}

type Pool = Piscina<PasswordQuestion, boolean>

/** Loads the library with the first login: most gateways have none. */
async function openPool(): Promise<Pool> {
  const { Piscina } = await import('piscina')
  return new Piscina({
    filename: new URL('./password-worker.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: HASHED_AT_ONCE,
    idleTimeout: IDLE_MS,
    // It needs no secret of the process.
    env: {},
    execArgv: [],
    resourceLimits: RESOURCE_LIMITS
  })
}
