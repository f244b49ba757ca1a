"""The Lua scripts of the Redis store: each is one atomic step of the server.

Every key that a script touches is among its KEYS. In a cluster the first is the only one: what would follow lies
on other servers, see `redis_layout`. Times are decimal strings that come from the caller and go into the hash
unchanged (Lua would round them); the server's own clock serves nothing but the removal of garbage.

A record is a hash that Redis removes by itself GRACE seconds after its end. A slide adds to what is left of its
life what it adds to its end, so no clock needs to agree with another.

ends    sorted set: record key by the time of its end     all     sorted set: live record keys in their order
indexes sorted sets: record key by the second of its absolute end, for subject, issuer sid and handle

A server that is full (`maxmemory`) refuses a script at its first write if that could take more memory, and at no
later one. So what existing sessions need begins with the removal of nothing, and goes through; `CREATE` does not.
"""

GRACE = 60.0  # seconds that garbage stays, for callers whose clocks are behind

# KEYS record, all, ends, index…   ARGV key, ends at, expires at, seconds to live, seconds to live of an index,
# field, value, …
CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('PEXPIRE', KEYS[1], math.floor(ARGV[4] * 1000))
if not KEYS[2] then return 1 end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[1])
local ttl = math.floor(ARGV[5] * 1000)
for i = 4, #KEYS do
  redis.call('ZADD', KEYS[i], math.ceil(ARGV[3]), ARGV[1])
  if redis.call('PTTL', KEYS[i]) < ttl then redis.call('PEXPIRE', KEYS[i], ttl) end
end
return 1
"""

# Adds to what is left of a key's life.
_PROLONG = """
local function prolong(key, seconds)
  local ttl = redis.call('PTTL', key)
  if ttl > 0 then redis.call('PEXPIRE', key, math.max(1, math.floor(ttl + seconds * 1000))) end
end
"""

# KEYS record, all, ends, index…   ARGV key, expected version, idle end, expires at, channel, message,
# seconds to live of an index, field, value, …
REPLACE = (
    _PROLONG
    + """
redis.call('HDEL', KEYS[1], '')
local old = redis.call('HMGET', KEYS[1], 'version', 'ended_at', 'idle_expires_at', 'expires_at')
if old[1] ~= ARGV[2] or old[2] then return 0 end
local idle, expires = ARGV[3], ARGV[4]
if tonumber(old[3]) > tonumber(idle) then idle = old[3] end
local ends = expires
if tonumber(idle) < tonumber(expires) then ends = idle end
redis.call('HSET', KEYS[1], unpack(ARGV, 8))
redis.call('HSET', KEYS[1], 'idle_expires_at', idle)
if KEYS[3] then redis.call('ZADD', KEYS[3], ends, ARGV[1]) end
prolong(KEYS[1], tonumber(ends) - math.min(tonumber(old[3]), tonumber(old[4])))
local ttl = math.floor(ARGV[7] * 1000)
for i = 4, #KEYS do
  redis.call('ZADD', KEYS[i], math.ceil(expires), ARGV[1])
  if redis.call('PTTL', KEYS[i]) < ttl then redis.call('PEXPIRE', KEYS[i], ttl) end
end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return ends
"""
)

# KEYS record, all, ends   ARGV key, idle end; returns it
TOUCH = (
    _PROLONG
    + """
redis.call('HDEL', KEYS[1], '')
local old = redis.call('HMGET', KEYS[1], 'ended_at', 'idle_expires_at', 'expires_at')
if old[1] or not old[2] then return 0 end
local idle = ARGV[2]
if tonumber(idle) > tonumber(old[3]) then idle = old[3] end
local step = tonumber(idle) - tonumber(old[2])
if step > 0 then
  redis.call('HSET', KEYS[1], 'idle_expires_at', idle)
  if KEYS[2] then redis.call('ZADD', KEYS[3], idle, ARGV[1]) end
  prolong(KEYS[1], step)
end
return idle
"""
)

# KEYS record, all, ends   ARGV key, now, reason, keep sealed, channel, message, grace
# Returns the absolute end; 1 for one that had expired, and 0 for none.
END = """
redis.call('HDEL', KEYS[1], '')
local old = redis.call('HMGET', KEYS[1], 'ended_at', 'idle_expires_at', 'expires_at')
if old[1] or not old[3] then return 0 end
if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[1]) end
local now, expires = tonumber(ARGV[2]), tonumber(old[3])
if now >= tonumber(old[2]) or now >= expires then
  redis.call('DEL', KEYS[1])
  if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[1]) end
  return 1
end
redis.call('HSET', KEYS[1], 'ended_at', ARGV[2], 'reason', ARGV[3])
redis.call('HDEL', KEYS[1], 'version', 'about')
if ARGV[4] == '0' then redis.call('HDEL', KEYS[1], 'sealed') end
if KEYS[3] then redis.call('ZADD', KEYS[3], old[3], ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], math.floor((expires - now + ARGV[7]) * 1000))
redis.call('PUBLISH', ARGV[5], ARGV[6])
return old[3]
"""

# KEYS all, ends, record…   ARGV now, key…
PURGE = """
local removed = 0
for i = 3, #KEYS do
  local key = ARGV[i - 1]
  local row = redis.call('HMGET', KEYS[i], 'ended_at', 'idle_expires_at', 'expires_at')
  local ends = row[3]
  if ends and not row[1] and tonumber(row[2]) < tonumber(ends) then ends = row[2] end
  if row[1] then redis.call('ZREM', KEYS[1], key) end
  if ends and tonumber(ends) > tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[2], ends, key)
  else
    redis.call('DEL', KEYS[i])
    redis.call('ZREM', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
    removed = removed + 1
  end
end
return removed
"""

# KEYS lease, fence   ARGV owner, now, until, grace
# In a cluster, where a lease has no counter beside it, the server's clock counts on from what the last one had.
ACQUIRE = """
redis.call('HDEL', KEYS[1], '')
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'until')
local now, ends, fence = tonumber(ARGV[2]), ARGV[3], held[2]
if held[1] and tonumber(held[3]) > now then
  if held[1] ~= ARGV[1] then return false end
  if tonumber(held[3]) > tonumber(ends) then ends = held[3] end
else
  if KEYS[2] then
    fence = redis.call('INCR', KEYS[2])
  else
    local time = redis.call('TIME')
    fence = string.format('%.0f', math.max(tonumber(fence or 0) + 1, time[1] * 1000000 + time[2]))
  end
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', fence, 'until', ends)
redis.call('PEXPIRE', KEYS[1], math.max(1, math.floor((tonumber(ends) - now + ARGV[4]) * 1000)))
return tonumber(fence)
"""

# KEYS lease   ARGV owner, channel, message
RELEASE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""

# KEYS name   ARGV now, until, value, grace
REMEMBER = """
redis.call('HDEL', KEYS[1], '')
local held = redis.call('HMGET', KEYS[1], 'until', 'value')
if held[1] and tonumber(held[1]) > tonumber(ARGV[1]) and tonumber(held[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'until', ARGV[2], 'value', ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.max(1, math.floor((ARGV[2] - ARGV[1] + ARGV[4]) * 1000)))
return 1
"""
