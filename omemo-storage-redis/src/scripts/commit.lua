#!lua
-- Applies a batch whole and answers 1, or answers 0 and writes nothing. A script that fails is not rolled back: all that
-- can fail comes before the first write. No key is read after the write that may have emptied it: while its slot
-- migrates, that would fail.
-- KEYS: the account's commits, its partitions, the accounts of the slot; then a hash for each partition of the batch.
-- ARGV: the commit's id; the account; for how many milliseconds ids are remembered; whether records may come or go.
-- Then for each hash of which one record is put, and no other is named: "put"; the expected revision, or nothing; its
-- item; its value. For each other hash: how many records are put, deleted and kept; the expected revisions of those that
-- must be there, one after the other; the places of those that must not, each followed by a comma; items and values put;
-- items deleted; items kept.
local CHUNK = 3500
local FIRST_HASH, FIRST_ARGUMENT = 4, 5
local call, sub, permitted = redis.call, string.sub, redis.acl_check_cmd
local commits, partitions, accounts = KEYS[1], KEYS[2], KEYS[3]
local id, account, remembered, comes_or_goes = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if call('ZSCORE', commits, id) then
    -- A write, so that a WAIT that follows is for the commit as well.
    call('PEXPIRE', commits, 2 * remembered)
    call('ZADD', commits, now, id)
    return 1
end

-- Whether the records of a hash are as expected. Reading also finds a key of another type.
local function holds(hash, items, revisions, absent)
    local found, missing, last = {}, {}, 0
    for first = 1, #items, CHUNK do
        local values = call('HMGET', hash, unpack(items, first, math.min(first + CHUNK - 1, #items)))
        for n = 1, #values do
            local value = values[n]
            if value then
                last = last + 1
                found[last] = sub(value, 1, 16)
            else
                missing[#missing + 1] = first + n - 1 .. ','
            end
        end
    end
    return table.concat(found) == revisions and table.concat(missing) == absent
end

local at, puts_any, deletes_any = FIRST_ARGUMENT, false, false
for key = FIRST_HASH, #KEYS do
    if ARGV[at] == 'put' then
        local value = call('HGET', KEYS[key], ARGV[at + 2])
        if (value and sub(value, 1, 16) or '') ~= ARGV[at + 1] then
            return 0
        end
        at = at + 4
        puts_any = true
    else
        local puts, deletes, keeps = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
        local revisions, absent, items = ARGV[at + 3], ARGV[at + 4], {}
        at = at + 5
        for n = 1, puts do
            items[n] = ARGV[at]
            at = at + 2
        end
        for n = puts + 1, puts + deletes + keeps do
            items[n] = ARGV[at]
            at = at + 1
        end
        if not holds(KEYS[key], items, revisions, absent) then
            return 0
        end
        puts_any = puts_any or puts > 0
        deletes_any = deletes_any or deletes > 0
    end
end
if not (permitted('ZADD', commits, 0, id) and permitted('PEXPIRE', commits, 1)
        and permitted('ZREMRANGEBYSCORE', commits, 0, 0) and permitted('PTTL', commits))
    or puts_any and not permitted('HSET', KEYS[FIRST_HASH], '', '')
    or deletes_any and not (permitted('HDEL', KEYS[FIRST_HASH], '') and permitted('HLEN', KEYS[FIRST_HASH]))
    or comes_or_goes and not (permitted('SADD', partitions, '') and permitted('SREM', partitions, '')
        and permitted('ZADD', accounts, 0, account) and permitted('ZREM', accounts, account)) then
    return redis.error_reply('NOPERM the user lacks a command that a commit needs')
end
local partitions_left = 0
if comes_or_goes then
    partitions_left = call('SCARD', partitions)
    call('ZCARD', accounts)
end

-- From here on nothing fails.
call('ZADD', commits, now, id)
call('ZREMRANGEBYSCORE', commits, '-inf', now - remembered)
if call('PTTL', commits) < remembered then
    call('PEXPIRE', commits, 2 * remembered)
end

-- A partition's name follows "p:" where the partitions' key has "partitions".
local function came(hash)
    partitions_left = partitions_left + call('SADD', partitions, sub(hash, #partitions - 7))
    if partitions_left == 1 then
        call('ZADD', accounts, 0, account)
    end
end

local function went(hash)
    partitions_left = partitions_left - call('SREM', partitions, sub(hash, #partitions - 7))
    if partitions_left == 0 then
        call('ZREM', accounts, account)
    end
end

at = FIRST_ARGUMENT
for key = FIRST_HASH, #KEYS do
    local hash, created = KEYS[key], 0
    if ARGV[at] == 'put' then
        created = call('HSET', hash, ARGV[at + 2], ARGV[at + 3])
        at = at + 4
        if created > 0 then
            came(hash)
        end
    else
        local puts, deletes, keeps = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
        at = at + 4
        for first = 1, 2 * puts, 2 * CHUNK do
            local last = math.min(first + 2 * CHUNK - 1, 2 * puts)
            created = created + call('HSET', hash, unpack(ARGV, at + first, at + last))
        end
        at = at + 2 * puts
        if created > 0 then
            came(hash)
        end
        local left = deletes > 0 and call('HLEN', hash) or 0
        for first = 1, left > 0 and deletes or 0, CHUNK do
            local last = math.min(first + CHUNK - 1, deletes)
            left = left - call('HDEL', hash, unpack(ARGV, at + first, at + last))
            if left == 0 then
                went(hash)
                break
            end
        end
        at = at + deletes + keeps + 1
    end
end
return 1
