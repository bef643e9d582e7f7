import type { Script, ScriptRunner } from '../scripts.ts'
import type { Ms, NowMs } from '../time.ts'
import {
  countersOf,
  FORGET_MS,
  FROM_ALL,
  FROM_ONE,
  KNOWN_MS,
  MemoryThrottle,
  type Throttle,
  type Try
} from './throttle.ts'

/** How the store is asked. */
export type RunScript = ScriptRunner['run']

/**
 * KEYS: the counter of the account from this address, that from all, and what says that the address is known. ARGV: free and
 * most of both, and when a counter is forgotten. How long to wait, in ms; it counts when that is 0.
 */
export const ENTER: Script = {
  name: 'login_enter_1',
  text: `-- tollgate login enter 1
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function wait(key, free, most)
  local h = redis.call('HMGET', key, 'tries', 'at')
  local tries, at = tonumber(h[1] or 0), tonumber(h[2] or 0)
  if tries < free then return 0 end
  local delay = math.min(most, 1000 * 2 ^ math.min(tries - free, 30))
  return math.max(0, math.min(delay, at + delay - now))
end
local function add(key)
  redis.call('HINCRBY', key, 'tries', 1)
  redis.call('HSET', key, 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, ARGV[5])
end
local known = redis.call('EXISTS', KEYS[3]) == 1
local ms = wait(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
if not known then ms = math.max(ms, wait(KEYS[2], tonumber(ARGV[3]), tonumber(ARGV[4]))) end
if ms > 0 then return math.ceil(ms) end
add(KEYS[1])
if not known then add(KEYS[2]) end
return 0
`
}

/** KEYS: as before. ARGV: for how long the address is known. */
export const SUCCEEDED: Script = {
  name: 'login_succeeded_1',
  text: `-- tollgate login succeeded 1
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], '1', 'PX', ARGV[1])
return 1
`
}

/**
 * The counters that gates share through the store. While it does not answer, each gate goes on by its own, which have seen
 * what this gate let in: a login waits for it, because it is slow anyway, but never fails with it.
 */
export class SharedThrottle implements Throttle {
  readonly #run: RunScript
  readonly #local: MemoryThrottle

  constructor(init: { readonly run: RunScript; readonly nowMs: NowMs }) {
    this.#run = init.run
    this.#local = new MemoryThrottle(init)
  }

  async enter(of: Try): Promise<Ms> {
    let waitMs: number
    try {
      waitMs = Number(
        await this.#run(ENTER, keysOf(of), [FROM_ONE.free, FROM_ONE.mostMs, FROM_ALL.free, FROM_ALL.mostMs, FORGET_MS])
      )
    } catch {
      return await this.#local.enter(of)
    }
    if (waitMs === 0) await this.#local.enter(of)
    return waitMs
  }

  async succeeded(of: Try): Promise<void> {
    await this.#local.succeeded(of)
    // The counters of others go on counting when it is not told; they forget within the hour.
    await this.#run(SUCCEEDED, keysOf(of), [KNOWN_MS]).catch(() => {})
  }
}

/** One slot of a cluster for all of an account. */
function keysOf(of: Try): readonly string[] {
  const { account, pair } = countersOf(of)
  const prefix = `tollgate:1:{login:${account}}`
  return [`${prefix}:from:${pair}`, `${prefix}:all`, `${prefix}:known:${pair}`]
}
