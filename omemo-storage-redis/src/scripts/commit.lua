#!lua
-- Applies a batch whole and answers 1, or answers 0 and writes nothing. A script that fails is not rolled back: all that
-- can fail comes before the first write. No key is read after the write that may have emptied it: while its slot
-- migrates, that would fail.
-- KEYS: the account's commits, its partitions, the accounts of the slot; then a hash for each partition of the batch.
-- ARGV: the commit's id, the account, for how many milliseconds ids are remembered; then for each hash how many records
-- are named, put and deleted; all items; their expected revisions; items and values put; items deleted.
local CHUNK = 3500
local commits, partitions, accounts = KEYS[1], KEYS[2], KEYS[3]
local id, account, remembered = ARGV[1], ARGV[2], tonumber(ARGV[3])
local FIRST_HASH, FIRST_ARGUMENT = 4, 4

local function permitted(...)
    return redis.acl_check_cmd(...)
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('ZSCORE', commits, id) then
    -- A write, so that a WAIT that follows is for the commit as well.
    redis.call('PEXPIRE', commits, 2 * remembered)
    redis.call('ZADD', commits, now, id)
    return 1
end

-- What the batch relied on. Reading also finds keys of another type.
local at, puts_any, deletes_any = FIRST_ARGUMENT, false, false
for key = FIRST_HASH, #KEYS do
    local count, puts, deletes = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 2
    for first = 1, count, CHUNK do
        local last = math.min(first + CHUNK - 1, count)
        local found = redis.call('HMGET', KEYS[key], unpack(ARGV, at + first, at + last))
        local expected = at + count + first - 1
        for n = 1, last - first + 1 do
            local value = found[n]
            if (value and string.sub(value, 1, 16) or '') ~= ARGV[expected + n] then
                return 0
            end
        end
    end
    at = at + 2 * count + 2 * puts + deletes + 1
    puts_any = puts_any or puts > 0
    deletes_any = deletes_any or deletes > 0
end
local partitions_left = redis.call('SCARD', partitions)
redis.call('ZCARD', accounts)
if not (permitted('ZADD', commits, 0, id) and permitted('PEXPIRE', commits, 1)
        and permitted('ZREMRANGEBYSCORE', commits, 0, 0) and permitted('PTTL', commits))
    or puts_any and not (permitted('HSET', KEYS[FIRST_HASH], '', '') and permitted('SADD', partitions, '')
        and permitted('ZADD', accounts, 0, account))
    or deletes_any and not (permitted('HDEL', KEYS[FIRST_HASH], '') and permitted('HLEN', KEYS[FIRST_HASH])
        and permitted('SREM', partitions, '') and permitted('ZREM', accounts, account)) then
    return redis.error_reply('NOPERM the user lacks a command that a commit needs')
end

-- From here on nothing fails.
redis.call('ZADD', commits, now, id)
redis.call('ZREMRANGEBYSCORE', commits, '-inf', now - remembered)
if redis.call('PTTL', commits) < remembered then
    redis.call('PEXPIRE', commits, 2 * remembered)
end
at = FIRST_ARGUMENT
for key = FIRST_HASH, #KEYS do
    local count, puts, deletes = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 2 + 2 * count
    local created = 0
    for first = 1, 2 * puts, 2 * CHUNK do
        local last = math.min(first + 2 * CHUNK - 1, 2 * puts)
        created = created + redis.call('HSET', KEYS[key], unpack(ARGV, at + first, at + last))
    end
    at = at + 2 * puts
    -- The partition's name follows "p:" where the partitions' key has "partitions".
    local partition = string.sub(KEYS[key], #partitions - 7)
    if created > 0 then
        partitions_left = partitions_left + redis.call('SADD', partitions, partition)
        if partitions_left == 1 then
            redis.call('ZADD', accounts, 0, account)
        end
    end
    if deletes > 0 then
        local left = redis.call('HLEN', KEYS[key])
        for first = 1, deletes, CHUNK do
            if left == 0 then
                break
            end
            local last = math.min(first + CHUNK - 1, deletes)
            left = left - redis.call('HDEL', KEYS[key], unpack(ARGV, at + first, at + last))
        end
        if left == 0 and partitions_left > 0 then
            partitions_left = partitions_left - redis.call('SREM', partitions, partition)
            if partitions_left == 0 then
                redis.call('ZREM', accounts, account)
            end
        end
    end
    at = at + deletes + 1
end
return 1
