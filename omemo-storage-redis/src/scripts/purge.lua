#!lua flags=allow-oom
-- Removes an account whole and answers 1, or answers 0 if it has other partitions than those named by now.
-- KEYS: the account's commits, its partitions, the accounts of the slot; then the hashes of all its partitions.
-- ARGV: the account; then the names of the partitions, in the order of their hashes.
local CHUNK = 7000
local commits, partitions, accounts = KEYS[1], KEYS[2], KEYS[3]
if redis.call('SCARD', partitions) ~= #ARGV - 1 then
    return 0
end
for name = 2, #ARGV do
    if redis.call('SISMEMBER', partitions, ARGV[name]) == 0 then
        return 0
    end
end
redis.call('ZCARD', accounts)
if not (redis.acl_check_cmd('UNLINK', commits) and redis.acl_check_cmd('ZADD', accounts, 0, ARGV[1])
        and redis.acl_check_cmd('ZREM', accounts, ARGV[1])) then
    return redis.error_reply('NOPERM the user lacks a command that a purge needs')
end
-- Written also where nothing is left, so that a WAIT that follows is for a purge that came before as well.
redis.call('ZADD', accounts, 0, ARGV[1])
redis.call('ZREM', accounts, ARGV[1])
-- The first two and all from the fourth on.
redis.call('UNLINK', commits, partitions)
for first = 4, #KEYS, CHUNK do
    redis.call('UNLINK', unpack(KEYS, first, math.min(first + CHUNK - 1, #KEYS)))
end
return 1
