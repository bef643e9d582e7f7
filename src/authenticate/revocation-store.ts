import { randomBytes } from 'node:crypto'
import { type Revocation, readRevocation } from './revocation.ts'
import { PUT_REVOCATION, READ_REVOCATIONS } from './revocation-scripts.ts'

/** What gates share of revocations. */
export interface SharedRevocations {
  /** The whole list, or null when it is as it was at a version. @throws (rejects) when the store does not answer */
  read(version: string | null): Promise<{ readonly version: string; readonly all: readonly Revocation[] } | null>
  /** Adds one, or puts it in the place of its former self; what was lifted stays so. @returns false when there are too many */
  put(revocation: Revocation): Promise<boolean>
}

/** What runs scripts in the store. */
export interface ScriptRunner {
  run(
    script: { readonly name: string; readonly text: string },
    keys: readonly string[],
    args: readonly (string | number)[]
  ): Promise<unknown>
}

/** So many revocations there may be, those that the file names apart. */
export const MAX_REVOCATIONS = 5_000

const KEYS = ['tollgate:1:{*}:revocations', 'tollgate:1:{*}:revocations:version'] as const
const UNKNOWN = '?'

/** Revocations that gates share, in Redis or Valkey. */
export class ValkeyRevocations implements SharedRevocations {
  readonly #runner: ScriptRunner
  readonly #max: number

  constructor(runner: ScriptRunner, { max = MAX_REVOCATIONS } = {}) {
    this.#runner = runner
    this.#max = max
  }

  async read(version: string | null): Promise<{ version: string; all: readonly Revocation[] } | null> {
    const reply = await this.#runner.run(READ_REVOCATIONS, KEYS, [version ?? UNKNOWN])
    if (!Array.isArray(reply) || typeof reply[0] !== 'string') throw new TypeError('no list of revocations')
    if (reply[1] === undefined) return null
    const all = (reply[1] as unknown[]).flatMap(text => {
      const one = readRevocation(parsed(text))
      return one === null ? [] : [one]
    })
    return { version: reply[0], all }
  }

  async put(revocation: Revocation): Promise<boolean> {
    const { id, liftedAtMs } = revocation
    const args = [
      this.#max,
      // A name of its own: a store that has lost everything never comes to a version that a gate knows.
      randomBytes(12).toString('base64url'),
      id,
      JSON.stringify(revocation),
      liftedAtMs === null ? 0 : 1
    ]
    return (await this.#runner.run(PUT_REVOCATION, KEYS, args)) === 1
  }
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text))
  } catch {
    return null
  }
}
