#!lua flags=allow-oom
-- Answers a query with one table for each hash asked for whole, then one for each chunk of records of a hash.
-- KEYS: the hashes asked for whole; then those with single records.
-- ARGV: how many are asked for whole; then for each of the others how many records, and their items.
-- Without the flag no-writes, which would be true: so a replica refuses it, as what it has may be behind.
local CHUNK = 3500
local reply, whole, at = {}, tonumber(ARGV[1]), 2
for key = 1, whole do
    reply[key] = redis.call('HGETALL', KEYS[key])
end
for key = whole + 1, #KEYS do
    local count = tonumber(ARGV[at])
    for first = 1, count, CHUNK do
        local last = math.min(first + CHUNK - 1, count)
        reply[#reply + 1] = redis.call('HMGET', KEYS[key], unpack(ARGV, at + first, at + last))
    end
    at = at + 1 + count
end
return reply
