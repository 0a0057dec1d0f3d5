"""The group `uploads`: uploads in parts and resumable ones, beside a server of resumable uploads and a plain `PUT`."""

import resource
import sys

import servers
from measure import KIB, MIB, Row, fresh, interleave, load, settle

PART = 8 * MIB
SMALL_PARTS = 10_000
IN_FLIGHT = 1000


def uploads(options):
    """One large file by each protocol, many small parts, many uploads in flight."""
    return large_files(options) + small_parts(options) + in_flight(options)


def large_files(options):
    """MiB/s of one large file from the memory of the same client."""

    def rate(server, protocol, target, part=options.large):
        figures = load("large", server, "--protocol", protocol, "--target", target, "--size", str(options.large), "--part", str(part))
        return options.large / MIB / figures["seconds"]

    def multipart():
        with fresh(options, servers.stowage) as server:
            return rate(server, "multipart", server.key, PART)

    def tus():
        with fresh(options, servers.stowage) as server:
            return rate(server, "tus", f"/tus?key={server.key}")

    def tus_peer(part):
        with fresh(options, servers.tus) as server:
            return rate(server, "tus", "/files", part)

    def put():
        with fresh(options, servers.nginx) as server:
            return rate(server, "put", "/file")

    samples = interleave(options, {
        "multipart": multipart,
        "tus": tus,
        "@tus/server, one PATCH": lambda: tus_peer(options.large),
        "@tus/server, PATCHes of 8 MiB": lambda: tus_peer(PART),
        "nginx PUT": put,
    })

    def row(name, ours, peer, target):
        return Row(f"{options.large_label} {name}", "MiB/s", samples[ours], peer, samples[peer], target)

    parts = "in 8 MiB parts, 4 in parallel"
    return [
        row(parts, "multipart", "@tus/server, one PATCH", 2),
        row(parts, "multipart", "@tus/server, PATCHes of 8 MiB", 2),
        row(parts, "multipart", "nginx PUT", 0.7),
        row("by tus, one PATCH", "tus", "@tus/server, one PATCH", 1),
    ]


def small_parts(options):
    """Seconds that `complete` takes for as many parts as an upload may have."""
    times = []
    for turn in range(options.rounds):
        with fresh(options, servers.stowage) as server:
            settle()
            size = str(SMALL_PARTS * KIB)
            figures = load("large", server, "--protocol", "multipart", "--target", server.key, "--size", size, "--part", str(KIB))
        times.append(figures["complete_seconds"])
        print(f"  round {turn + 1} {SMALL_PARTS} parts: {times[-1]:.2f} s of {figures['seconds']:.1f} s", file=sys.stderr, flush=True)
    return [Row(f"completing {SMALL_PARTS:,} parts of 1 KiB", "s", times, target=2)]


def in_flight(options):
    """Peak of resident memory while many slow clients send, MiB."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with fresh(options, servers.stowage) as server:
        # Only now: the server has to raise the limit for itself.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        figures = load("flight", server, "--target", server.key, "--count", str(IN_FLIGHT))
        peak = server.peak_memory() / MIB
    if figures["receiving"] != IN_FLIGHT:
        raise RuntimeError(f"{figures['receiving']} of {IN_FLIGHT} uploads were in flight")
    print(f"  in flight: {peak:.1f} MiB", file=sys.stderr, flush=True)
    return [Row(f"peak memory, {IN_FLIGHT:,} uploads in flight", "MiB", [peak], target=256)]
