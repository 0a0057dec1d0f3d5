"""The group `stores`: files that go on to S3, beside clients that send them there themselves."""

import subprocess
import sys

import servers
from measure import KIB, MIB, Row, fresh, interleave, random_file, raw_upload, store_rate, upload_rate


def stores(options):
    """Large and small files through Stowage to s3s-fs and straight to it, and the memory of Stowage meanwhile."""
    # Small files first, for the reason in `run`.
    rows = small_files(options)
    return large_files(options) + rows


def large_files(options):
    """MiB/s of one large file, and the peak of resident memory."""
    peaks = []

    def through():
        with fresh(options, servers.stowage_on_s3) as server:
            rate = upload_rate(options.large, *raw_upload(server, source))
            peaks.append(server.peak_memory() / MIB)
            return rate

    def straight():
        with fresh(options, servers.s3) as server:
            return boto3_rate(server, source, options.large)

    with random_file(options, options.large) as source:
        samples = interleave(options, {"stowage": through, "boto3": straight})
    label = options.large_label
    print(f"  peak memory: {max(peaks):.1f} MiB", file=sys.stderr, flush=True)
    return [
        Row(f"{label} upload to S3, raw body", "MiB/s", samples["stowage"], "boto3", samples["boto3"], 0.85),
        Row(f"peak memory, {label} upload to S3", "MiB", [max(peaks)], target=96),
    ]


def boto3_rate(server, source, size):
    """MiB/s of one upload by boto3; its start does not count."""
    script = str(servers.HERE / "boto3" / "upload.py")
    command = [servers.BOTO3 / "bin" / "python", script, server.url, "bench", "file", source]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=servers.clean_environment()).stdout
    return size / MIB / float(printed)


def small_files(options):
    """10 KiB files over 32 keep-alive connections, files/s."""

    def through():
        with fresh(options, servers.stowage_on_s3) as server:
            return store_rate(options, server, "stowage", server.store, 10 * KIB)

    def straight():
        with fresh(options, servers.s3) as server:
            return store_rate(options, server, "s3", "/bench", 10 * KIB)

    samples = interleave(options, {"stowage": through, "PutObject": straight})
    name = "10 KiB stores to S3, 32 connections"
    return [Row(name, "files/s", samples["stowage"], "PutObject", samples["PutObject"], 0.8)]
