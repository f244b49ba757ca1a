-- Prints what wrk measured as one line of JSON; times are microseconds.
local upload = tonumber(os.getenv("WRK_UPLOAD") or "0")
if upload > 0 then
  wrk.method = "POST"
  wrk.body = string.rep("x", upload)
end

done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "duration": %d, "failed": %d, "refused": %d, "p50": %d, "p99": %d, "max": %d}\n',
    summary.requests, summary.duration, failed, summary.errors.status,
    latency:percentile(50), latency:percentile(99), latency.max))
end
