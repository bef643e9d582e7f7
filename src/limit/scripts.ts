/**
 * What the store runs, each as one step, by its own clock. What they reckon is what bucket.ts and quota-store-memory.ts
 * reckon. Numbers come back as text, because Redis cuts fractions off.
 */

const head = (name: string) => `-- tollgate ${name}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function text(n) return string.format('%.17g', n) end
local function usedOf(key, kind, amount, span)
  if kind == 'lease' then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    return redis.call('ZCARD', key), 0
  end
  local h = redis.call('HMGET', key, 'used', 'at')
  local used, at = tonumber(h[1] or 0), tonumber(h[2] or 0)
  if kind == 'budget' then
    if at < span then return 0, at end
    return used, at
  end
  used = used - math.max(0, now - at) * amount / span
  if used <= 1e-6 then used = 0 end
  return used, at
end
local function write(key, kind, used, at, span, keep)
  if kind == 'budget' then
    local ends = math.max(at, span)
    redis.call('HSET', key, 'used', text(used), 'at', text(ends))
    redis.call('PEXPIREAT', key, text(ends + keep))
  else
    redis.call('HSET', key, 'used', text(used), 'at', text(now))
    redis.call('PEXPIRE', key, text(keep))
  end
end
`

/**
 * KEYS: buckets, then the record. ARGV: id, keep, lease, wait, then of each bucket kind, cost, amount, span, shadow. One that comes
 * after its own end draws nothing: a server that stood still may read a connection that was given up behind the one that came after.
 */
export const RESERVE = {
  name: 'reserve_2',
  text: `${head('reserve 2')}
local n = #KEYS - 1
local id, keep, lease, wait = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local used, at, over = {}, {}, {}
local denied, worst = 0, 0
local function arg(i, j) return ARGV[4 + (i - 1) * 5 + j] end
for i = 1, n do
  local kind, cost, amount, span = arg(i, 1), tonumber(arg(i, 2)), tonumber(arg(i, 3)), tonumber(arg(i, 4))
  used[i], at[i] = usedOf(KEYS[i], kind, amount, span)
  local short = used[i] + math.min(cost, amount) - amount
  over[i] = short > 1e-6
  if over[i] and arg(i, 5) == '0' then
    local w = wait
    if kind == 'rate' then w = math.ceil(short * span / amount) end
    if kind == 'budget' then w = span - now end
    w = math.max(1, w)
    if w > worst then denied, worst = i, w end
  end
end
local reply = { denied, text(worst) }
local isNew = denied == 0 and redis.call('SET', KEYS[n + 1], 'open', 'PX', text(keep), 'NX')
for i = 1, n do
  if isNew and not over[i] then
    local kind, cost = arg(i, 1), tonumber(arg(i, 2))
    used[i] = used[i] + cost
    if kind == 'lease' then
      redis.call('ZADD', KEYS[i], text(now + lease), id)
      redis.call('PEXPIRE', KEYS[i], text(keep))
    else
      write(KEYS[i], kind, used[i], at[i], tonumber(arg(i, 4)), keep)
    end
  end
  reply[#reply + 1] = over[i] and 1 or 0
  reply[#reply + 1] = text(used[i])
end
return reply
`
}

/**
 * KEYS: buckets, then the record. ARGV: id, keep, whether what nobody reserved is to be added, then of each bucket kind, amount,
 * span, what is owed when it was reserved, and when it was not, and up to where it may be drawn. False when the ticket is settled already.
 */
export const SETTLE = {
  name: 'settle_2',
  text: `${head('settle 2')}
local n = #KEYS - 1
local id, keep = ARGV[1], tonumber(ARGV[2])
local record = redis.call('GET', KEYS[n + 1])
local isLate = ARGV[3] == '1'
local column = 0
if record == 'open' then column = 4 elseif not record and isLate then column = 5 end
if isLate then
  redis.call('SET', KEYS[n + 1], 'done', 'PX', text(keep))
else
  redis.call('DEL', KEYS[n + 1])
end
local reply = {}
for i = 1, n do
  local a = 3 + (i - 1) * 6
  local kind, amount, span = ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  if kind == 'lease' then redis.call('ZREM', KEYS[i], id) end
  local used, at = usedOf(KEYS[i], kind, amount, span)
  if column > 0 and (kind == 'rate' or (kind == 'budget' and at <= span)) then
    local delta, most = tonumber(ARGV[a + column]), tonumber(ARGV[a + 6])
    if delta > 0 then delta = math.max(0, math.min(delta, most - used)) end
    used = math.max(0, used + delta)
    write(KEYS[i], kind, used, at, span, keep)
  end
  reply[i] = text(used)
end
if column == 0 then return false end
return reply
`
}

/** KEYS: the bucket of leases. ARGV: keep, lease, then who holds one. */
export const RENEW = {
  name: 'renew_1',
  text: `${head('renew 1')}
local ends = text(now + tonumber(ARGV[2]))
for i = 3, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`
}

/** KEYS: buckets. ARGV: of each kind, amount, span. */
export const PEEK = {
  name: 'peek_1',
  text: `${head('peek 1')}
local reply = {}
for i = 1, #KEYS do
  local a = (i - 1) * 3
  reply[i] = text((usedOf(KEYS[i], ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]))))
end
return reply
`
}

/** KEYS: where gates are counted. ARGV: the gate, how long it counts; 0 when it leaves. How many there are. */
export const GATES = {
  name: 'gates_1',
  text: `${head('gates 1')}
local lives = tonumber(ARGV[2])
if lives > 0 then redis.call('ZADD', KEYS[1], text(now + lives), ARGV[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], 172800000)
return redis.call('ZCARD', KEYS[1])
`
}
