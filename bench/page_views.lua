-- Page views for wrk: each request is the next customer's page of 20 with titles, and reasons when EXPLAIN=1.
-- KEY, NAMES (a file, a user id a line), CUSTOMERS (how many of them take turns; all), EXPLAIN from the environment. Ends with one line of JSON.
local key, names = os.getenv("KEY"), {}
for line in io.lines(os.getenv("NAMES") or "/dev/null") do names[#names + 1] = line end
local customers = tonumber(os.getenv("CUSTOMERS") or #names)
local explain = os.getenv("EXPLAIN") == "1" and ',"explain":true' or ""
local headers = {["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json"}
local at = 0

function request()
  at = (at + 7919) % customers
  local body = string.format('{"customer":{"userId":"%s"},"count":20,"return":["title"]%s}', names[at + 1] or "", explain)
  return wrk.format("POST", "/v1/recommendations", headers, body)
end

function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.connect
  io.write(string.format('\n{"requests": %d, "failed": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "p999_ms": %.4f}\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3))
end
