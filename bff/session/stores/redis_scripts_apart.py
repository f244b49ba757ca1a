"""The Lua scripts for what a cluster keeps apart from a session's record; see `redis_scripts` for all of them."""

# KEYS index   ARGV key, expires at, seconds to live of the index
ENTER = """
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], math.ceil(ARGV[2]), ARGV[1])
local ttl = math.floor(ARGV[3] * 1000)
if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
return 1
"""

# KEYS all, ends   ARGV key, ends at
PLACE = """
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1
"""

# KEYS all, ends   ARGV key, until when something is left of it
RETIRE = """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[2] then redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1]) end
return 1
"""

# As the purge, for one record of a cluster. KEYS record   ARGV now
# Returns whether it has ended, and its end; false where nothing is left.
PURGE_ONE = """
local row = redis.call('HMGET', KEYS[1], 'ended_at', 'idle_expires_at', 'expires_at')
local ends = row[3]
if ends and not row[1] and tonumber(row[2]) < tonumber(ends) then ends = row[2] end
if ends and tonumber(ends) > tonumber(ARGV[1]) then return {row[1] and 1 or 0, ends} end
redis.call('DEL', KEYS[1])
return false
"""
