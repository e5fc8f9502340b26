-- A block before all others, or behind them the mark that there will be no more. KEYS[1]: the list of a bucket;
-- ARGV[1]: the element, ARGV[2]: "block" or "spent", ARGV[3]: seconds until it is worth nothing.
if ARGV[2] == 'block' then
  redis.call('LPUSH', KEYS[1], ARGV[1])
elseif redis.call('LINDEX', KEYS[1], -1) ~= ARGV[1] then
  redis.call('RPUSH', KEYS[1], ARGV[1])
end
-- Far more than a window has blocks of.
redis.call('LTRIM', KEYS[1], 0, 99)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
