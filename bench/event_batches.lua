-- Batches of 20 views for wrk, each event with a message id of its own. KEY, CUSTOMERS, ITEMS, RUN (told apart from other
-- runs on one store) from the environment. Ends with one line of JSON.
local key, customers, items = os.getenv("KEY"), tonumber(os.getenv("CUSTOMERS")), tonumber(os.getenv("ITEMS"))
local run = os.getenv("RUN")
local headers = {["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json"}
local sent = 0

function request()
  local events = {}
  for i = 1, 20 do
    sent = sent + 1
    events[i] = string.format(
      '{"type":"track","userId":"customer-%05d","event":"Product Viewed","messageId":"%s-%d","timestamp":"2026-01-01T00:00:00Z","properties":{"product_id":"item-%05d"}}',
      (sent * 7919) % customers + 1, run, sent, (sent * 104729) % items + 1)
  end
  return wrk.format("POST", "/v1/batch", headers, '{"batch":[' .. table.concat(events, ",") .. "]}")
end

function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.connect
  io.write(string.format('\n{"requests": %d, "failed": %d, "seconds": %.6f, "p99_ms": %.4f}\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(99) / 1e3))
end
