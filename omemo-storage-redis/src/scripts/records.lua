#!lua flags=allow-oom
-- Answers for each hash the items, revisions and sizes of its records, one after the other.
-- KEYS: the hashes.
local reply = {}
for key = 1, #KEYS do
    local fields, records = redis.call('HGETALL', KEYS[key]), {}
    for n = 1, #fields, 2 do
        local value = fields[n + 1]
        records[#records + 1] = fields[n]
        records[#records + 1] = string.sub(value, 1, 16)
        records[#records + 1] = #value - 16
    end
    reply[key] = records
end
return reply
