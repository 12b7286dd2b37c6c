-- What the filter does during a canary, as a careful person writes it in Lua: the inbound header removed, the cookie parsed, the
-- key hashed (FNV-1a, 32 bits), 5 % to v2, requests and their outcome counted by version, with latency buckets.
local bit = require("bit")
local BOUNDS = {1, 2, 5, 10, 20, 35, 50, 75, 100, 200, 300, 500, 1000, 2000, 5000, 10000}
local SALT = "shop/checkout/1"
local counts = {v1 = {started = 0, succeeded = 0, failed = 0, latency = {}}, v2 = {started = 0, succeeded = 0, failed = 0, latency = {}}}

local function cookie(header, name)
  for key, value in string.gmatch(header, "%s*([^=;]+)=([^;]*)") do
    if key == name then
      return value
    end
  end
end

local function point(key)
  local hash = 2166136261
  local text = SALT .. key
  for i = 1, #text do
    hash = bit.bxor(hash, string.byte(text, i))
    hash = bit.tobit(bit.lshift(hash, 24) + bit.lshift(hash, 8) + hash * 147)
  end
  return (hash % 4294967296) * 1000000 / 4294967296
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get("x-shunt-route") ~= nil then
    headers:remove("x-shunt-route")
  end
  if headers:get(":authority") ~= "shop.test" then
    return
  end
  local version = "v1"
  local header = headers:get("cookie")
  local key = header and cookie(header, "shunt-id")
  if key and point(key) < 50000 then
    version = "v2"
    headers:add("x-shunt-route", "shop/checkout/v2")
    handle:clearRouteCache()
  end
  counts[version].started = counts[version].started + 1
  local trail = handle:streamInfo():dynamicMetadata()
  trail:set("shunt", "version", version)
  trail:set("shunt", "started", tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND)))
end

function envoy_on_response(handle)
  local trail = handle:streamInfo():dynamicMetadata():get("shunt")
  if trail == nil then
    return
  end
  local count = counts[trail.version]
  local status = tonumber(handle:headers():get(":status"))
  if status >= 500 then
    count.failed = count.failed + 1
  else
    count.succeeded = count.succeeded + 1
  end
  local took = tonumber(handle:timestamp(EnvoyTimestampResolution.MILLISECOND)) - trail.started
  local bucket = #BOUNDS + 1
  for i = 1, #BOUNDS do
    if took <= BOUNDS[i] then
      bucket = i
      break
    end
  end
  count.latency[bucket] = (count.latency[bucket] or 0) + 1
end
