/** KEYS: the list, its version. ARGV: the version that is known. */
export const READ_REVOCATIONS = {
  name: 'revocations_read_1',
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
export const PUT_REVOCATION = {
  name: 'revocations_put_1',
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
