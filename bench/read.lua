-- wrk script: reads the paths of the file PATHS in turn and prints its figures as one line of JSON.
local requests = {}

function init()
    for path in io.lines(os.getenv("PATHS")) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

local turn = 0

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "bytes": %d, "seconds": %f, "errors": %d, "p50_ms": %f, "p99_ms": %f}\n',
        summary.requests, summary.bytes, summary.duration / 1e6,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
