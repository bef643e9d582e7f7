import { randomBytes } from 'node:crypto'
import type { ScriptRunner } from '../scripts.ts'
import { type Revocation, readRevocation } from './revocation.ts'

/** What gates share of revocations. */
export interface SharedRevocations {
  /** The whole list, or null when it is as it was at a version. @throws (rejects) when the store does not answer */
  read(version: string | null): Promise<{ readonly version: string; readonly all: readonly Revocation[] } | null>
  /** Adds one, or puts it in the place of its former self; what was lifted stays so. @returns false when there are too many */
  put(revocation: Revocation): Promise<boolean>
}

/** So many revocations there may be, those that the file names apart. */
export const MAX_REVOCATIONS = 5_000

/** KEYS: the list, its version. ARGV: the version that is known. */
const READ_REVOCATIONS = {
  name: 'revocations_read_1',
  // Thousands of them are a long answer.
  isBackground: true,
  text: `-- tollgate revocations read 1
local version = redis.call('GET', KEYS[2]) or ''
if version == ARGV[1] then return {version} end
return {version, redis.call('HVALS', KEYS[1])}
`
} as const

/**
 * KEYS: the list, its version. ARGV: how many there may be, the next version, id, text, whether it was lifted.
 * What has ended a day ago makes room: gates may differ in how long tokens live.
 */
const PUT_REVOCATION = {
  name: 'revocations_put_1',
  isBackground: true,
  text: `-- tollgate revocations put 1
local known = redis.call('HGET', KEYS[1], ARGV[3])
if known then
  if known == ARGV[4] then return 1 end
  if ARGV[5] == '0' and cjson.decode(known).liftedAtMs ~= cjson.null then return 1 end
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
  local t = redis.call('TIME')
  local ended = (t[1] - 86400) * 1000
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local of = cjson.decode(all[i + 1]).untilMs
    if of ~= cjson.null and of < ended then redis.call('HDEL', KEYS[1], all[i]) end
  end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
redis.call('SET', KEYS[2], ARGV[2])
return 1
`
} as const

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
