import type { Script, ScriptRunner } from '../scripts.ts'
import type { Ms, NowMs } from '../time.ts'
import {
  countersOf,
  FORGET_MS,
  FROM_ADDRESS,
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
 * KEYS: the counter of the account from this address, that from all, that of the address over all accounts, and what says that
 * the address is known. ARGV: when a counter is forgotten, then free, most and leak of each. How long to wait, in ms; it counts
 * when that is 0.
 */
export const ENTER: Script = {
  name: 'login_enter_2',
  text: `-- tollgate login enter 2
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function read(n)
  local h = redis.call('HMGET', KEYS[n], 'tries', 'at')
  local c = { key = KEYS[n], tries = tonumber(h[1] or 0), at = tonumber(h[2] or 0) }
  c.free, c.most = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n])
  local leak = tonumber(ARGV[3 * n + 1])
  if leak > 0 then
    local leaked = math.max(0, math.floor((now - c.at) / leak))
    c.tries, c.at = math.max(0, c.tries - leaked), c.at + leaked * leak
  end
  return c
end
local function wait(c)
  if c.tries < c.free then return 0 end
  local delay = math.min(c.most, 1000 * 2 ^ math.min(c.tries - c.free, 30))
  return math.max(0, math.min(delay, c.at + delay - now))
end
local function add(c)
  redis.call('HSET', c.key, 'tries', c.tries + 1, 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', c.key, ARGV[1])
end
local one, all, from = read(1), read(2), read(3)
local known = redis.call('EXISTS', KEYS[4]) == 1
local ms = wait(one)
if not known then ms = math.max(ms, wait(all), wait(from)) end
if ms > 0 then return math.ceil(ms) end
add(one)
add(from)
if not known then add(all) end
return 0
`
}

/** KEYS: as before. ARGV: for how long the address is known. */
export const SUCCEEDED: Script = {
  name: 'login_succeeded_2',
  text: `-- tollgate login succeeded 2
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[4], '1', 'PX', ARGV[1])
if tonumber(redis.call('HGET', KEYS[3], 'tries') or 0) > 0 then redis.call('HINCRBY', KEYS[3], 'tries', -1) end
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
      waitMs = Number(await this.#run(ENTER, keysOf(of), [FORGET_MS, ...SLOPES]))
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

const SLOPES = [FROM_ONE, FROM_ALL, FROM_ADDRESS].flatMap(({ free, mostMs, leakMs }) => [free, mostMs, leakMs])

/** One slot of a cluster for all of them: a try counts for an account and for an address in one step, or for neither. */
function keysOf(of: Try): readonly string[] {
  const { account, pair, from } = countersOf(of)
  const prefix = 'tollgate:2:{login}'
  return [`${prefix}:pair:${pair}`, `${prefix}:account:${account}`, `${prefix}:from:${from}`, `${prefix}:known:${pair}`]
}
