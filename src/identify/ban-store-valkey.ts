import { randomBytes } from 'node:crypto'
import type { ScriptRunner } from '../scripts.ts'
import { readKey } from './address.ts'
import { type BanChange, type BanNews, type BanStore, type Bookmark, KEEP_MS, MAX_KEPT, MAX_NEWS } from './ban-store.ts'

const KEYS = ['tollgate:1:{*}:bans', 'tollgate:1:{*}:bans:order', 'tollgate:1:{*}:bans:ends']

/**
 * KEYS: what is known of each key, in which order it was told, when it ends. ARGV: an epoch for a new history, the epoch and the
 * number of the bookmark, most to answer, most to keep, how long, then of each change key, text, time left. An address holds no
 * `#`, so that the two fields of the history are nobody's.
 */
const TRADE = {
  name: 'bans_1',
  isBackground: true,
  text: `-- tollgate bans 1
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function text(n) return string.format('%.17g', n) end
local most, max, keep = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
redis.call('HSETNX', KEYS[1], '#epoch', ARGV[1])
for i = 7, #ARGV, 3 do
  local seq = redis.call('HINCRBY', KEYS[1], '#seq', 1)
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[2], text(seq), ARGV[i])
  redis.call('ZADD', KEYS[3], text(now + tonumber(ARGV[i + 2])), ARGV[i])
end
local function forget(gone)
  for _, key in ipairs(gone) do
    redis.call('HDEL', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
    redis.call('ZREM', KEYS[3], key)
  end
end
forget(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', text(now - keep), 'LIMIT', 0, 1000))
local over = redis.call('ZCARD', KEYS[3]) - max
if over > 0 then forget(redis.call('ZRANGE', KEYS[3], 0, over - 1)) end
local epoch = redis.call('HGET', KEYS[1], '#epoch')
local last = redis.call('HGET', KEYS[1], '#seq') or '0'
local from = '0'
if epoch == ARGV[2] then from = ARGV[3] end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, most + 1)
local isMore = #found > most * 2
local reply = { epoch, last, isMore and 1 or 0 }
for i = 1, math.min(#found, most * 2), 2 do
  reply[#reply + 1] = found[i]
  reply[#reply + 1] = redis.call('HGET', KEYS[1], found[i])
  reply[#reply + 1] = text(tonumber(redis.call('ZSCORE', KEYS[3], found[i])) - now)
  if isMore then reply[2] = found[i + 1] end
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], 172800000) end
return reply
`
}

/** What gates tell each other of through Redis or Valkey, in one script, by the clock of the store. */
export class ValkeyBanStore implements BanStore {
  readonly #runner: ScriptRunner
  readonly #maxKept: number

  constructor(runner: ScriptRunner, { maxKept = MAX_KEPT }: { readonly maxKept?: number } = {}) {
    this.#runner = runner
    this.#maxKept = maxKept
  }

  async trade(told: readonly BanChange[], { epoch, seq }: Bookmark): Promise<BanNews> {
    const args = told.flatMap(({ key, ban }) => [key, textOf(ban), Math.round(ban?.leftMs ?? 0)])
    const fresh = randomBytes(9).toString('base64url')
    const reply = await this.#runner.run(TRADE, KEYS, [fresh, epoch, seq, MAX_NEWS, this.#maxKept, KEEP_MS, ...args])
    if (!Array.isArray(reply)) throw new TypeError('the store gave an answer of another shape')
    const [nextEpoch, last, isMore, ...rest] = reply.map(String)
    const changes: BanChange[] = []
    for (let i = 0; i < rest.length; i += 3) {
      const change = changeFrom(rest[i] ?? '', rest[i + 1] ?? '', Number(rest[i + 2]))
      if (change !== null) changes.push(change)
    }
    return { changes, bookmark: { epoch: nextEpoch ?? '', seq: Number(last) }, isMore: isMore === '1' }
  }
}

/** Empty for one that was lifted. */
function textOf(ban: BanChange['ban']): string {
  if (ban === null) return ''
  const { ip, reason, times, sinceMs } = ban
  return JSON.stringify([ip, reason, times, sinceMs])
}

/** With whatever prefix the gate that wrote it has. */
function isKeyOf(key: string, ip: string): boolean {
  const [, prefix] = key.split('/')
  return readKey(prefix === undefined ? ip : `${ip}/${prefix}`)?.key === key
}

/** Null for what no gate of ours has written: it bans nobody. */
function changeFrom(key: string, text: string, leftMs: number): BanChange | null {
  if (text === '') return { key, ban: null }
  try {
    const [ip, reason, times, sinceMs] = JSON.parse(text) as unknown[]
    const isOurs =
      typeof ip === 'string' &&
      isKeyOf(key, ip) &&
      typeof reason === 'string' &&
      Number.isSafeInteger(times) &&
      Number.isFinite(sinceMs) &&
      Number.isFinite(leftMs)
    return isOurs ? { key, ban: { ip, reason, times: Number(times), sinceMs: Number(sinceMs), leftMs } } : null
  } catch {
    return null
  }
}
