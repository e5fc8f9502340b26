-- One hit out of the blocks of a bucket. KEYS[1]: its list; ARGV[1]: the present. An element is "LEFT:END:…";
-- one with nothing left says that the window has no more, and stays until its end.
local block = redis.call('LINDEX', KEYS[1], 0)
while block do
  local left, rest, ends = string.match(block, '^(%d+)(:(%d+):.*)$')
  if not left or tonumber(ends) <= tonumber(ARGV[1]) then
    redis.call('LPOP', KEYS[1])
    block = redis.call('LINDEX', KEYS[1], 0)
  else
    left = tonumber(left)
    if left == 1 then
      redis.call('LPOP', KEYS[1])
    elseif left > 1 then
      redis.call('LSET', KEYS[1], 0, string.format('%d', left - 1) .. rest)
    end
    return block
  end
end
return false
