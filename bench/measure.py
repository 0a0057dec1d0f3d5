"""What all comparisons share, and the simple ones: a function for each group, which takes the options of the run and returns rows."""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import servers

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass
class Options:
    """How much is measured, and where."""

    scratch: Path
    rounds: int
    seconds: int
    large: int  # bytes of a large upload

    @property
    def large_label(self):
        """How the table names that size."""
        return f"{self.large // GIB} GiB" if self.large % GIB == 0 else f"{self.large // MIB} MiB"


@dataclass
class Row:
    """One line of the table: samples of ours and of a peer (none: `target` bounds ours directly)."""

    name: str
    unit: str
    ours: list
    peer: str = ""
    theirs: list = None
    target: float = 0.0

    @property
    def ratio(self):
        """Ours over theirs, by medians."""
        return statistics.median(self.ours) / statistics.median(self.theirs) if self.theirs else None

    @property
    def met(self):
        """Whether the target is met."""
        if self.theirs:
            return self.ratio >= self.target
        return statistics.median(self.ours) < self.target


def interleave(options, contenders):
    """Measures each contender once a round, in turning order; returns the samples of each by name."""
    samples = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(options.rounds):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            settle()
            sample = contenders[name]()
            samples[name].append(sample)
            print(f"  round {turn + 1} {name}: {sample:.1f}", file=sys.stderr, flush=True)
    return samples


def settle():
    """Whatever the one before left to the disk must not be paid by the next."""
    os.sync()


def fresh(options, start):
    """Starts a server on an empty directory, which goes when the server does."""
    directory = options.scratch / "server"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    return start(directory / "root")


# Bodies of one large file


def bodies(options):
    """One large file by raw body and by form, beside `PUT` to nginx, MiB/s."""

    def raw():
        with fresh(options, servers.stowage) as server:
            return upload_rate(options.large, *raw_upload(server, source))

    def form():
        with fresh(options, servers.stowage) as server:
            return upload_rate(options.large, *form_upload(server, source))

    def put():
        with fresh(options, servers.nginx) as server:
            return upload_rate(options.large, "-T", str(source), f"{server.url}/file")

    with random_file(options, options.large) as source:
        samples = interleave(options, {"raw": raw, "form": form, "nginx": put})
    return [
        Row(f"{options.large_label} upload, raw body", "MiB/s", samples["raw"], "nginx PUT", samples["nginx"], 0.8),
        Row(f"{options.large_label} upload, multipart form", "MiB/s", samples["form"], "nginx PUT", samples["nginx"], 0.8),
    ]


@contextlib.contextmanager
def random_file(options, size):
    """A file of random bytes in the page cache, for as long as the block lasts."""
    source = options.scratch / "source"
    with source.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    yield source
    source.unlink()


def raw_upload(server, source):
    """Arguments of curl for a raw body."""
    return "-X", "POST", "-H", "Content-Type: application/octet-stream", "-T", str(source), server.url + server.store


def form_upload(server, source):
    """Arguments of curl for a multipart form."""
    return "-F", f"fileUpload=@{source}", server.url + server.store


def upload_rate(size, *arguments):
    """MiB/s of one upload by curl, from the start of the request to the end of the answer."""
    command = ["curl", "-sS", "--fail-with-body", "--noproxy", "*", "-o", "/dev/null", "-H", "Expect:", "-w", "%{time_total}"]
    printed = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout
    return size / MIB / float(printed)


# Memory


def memory(options):
    """Peak resident memory of the server over a 4 GiB upload, MiB."""
    source = options.scratch / "source"
    with source.open("wb") as file:
        file.truncate(4 * GIB)
    rows = []
    for name, upload in {"raw body": raw_upload, "multipart form": form_upload}.items():
        with fresh(options, servers.stowage) as server:
            rate = upload_rate(4 * GIB, *upload(server, source))
            peak = server.peak_memory() / MIB
        print(f"  {name}: {peak:.1f} MiB at {rate:.0f} MiB/s", file=sys.stderr, flush=True)
        rows.append(Row(f"peak memory, 4 GiB upload, {name}", "MiB", [peak], target=48))
    source.unlink()
    return rows


# Small files


def small_stores(options):
    """4 KiB files over 32 keep-alive connections, stores/s."""

    def stowage():
        with fresh(options, servers.stowage) as server:
            return store_rate(options, server, "stowage", server.store, 4 * KIB)

    def tus():
        with fresh(options, servers.tus) as server:
            return store_rate(options, server, "tus", "/files", 4 * KIB)

    def s3():
        with fresh(options, servers.s3) as server:
            return store_rate(options, server, "s3", "/bench", 4 * KIB)

    samples = interleave(options, {"stowage": stowage, "@tus/server": tus, "s3s-fs": s3})
    name = "4 KiB stores, 32 connections"
    return [
        Row(name, "files/s", samples["stowage"], "@tus/server", samples["@tus/server"], 3),
        Row(name, "files/s", samples["stowage"], "s3s-fs PutObject", samples["s3s-fs"], 1.5),
    ]


def store_rate(options, server, protocol, target, size):
    """Files of `size` bytes stored a second, after some warming up."""
    for seconds in (0.5, options.seconds):
        figures = load("small", server, "--protocol", protocol, "--target", target, "--size", str(size), "--seconds", str(seconds))
        if figures["errors"]:
            raise RuntimeError(f"{protocol}: {figures['errors']} errors")
    print(f"    p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms", file=sys.stderr)
    return figures["per_second"]


def load(kind, server, *arguments):
    """Runs the load generator; returns what it prints."""
    command = [servers.program("load"), kind, "--address", server.address, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


# Reading


def reads(options):
    """1,000 files of 10 KiB and 8 of 10 MiB, beside nginx."""
    directories = [options.scratch / name for name in ("stowage", "nginx")]
    with servers.stowage(directories[0]) as ours, servers.nginx(directories[1]) as theirs:
        rows = [
            read_row(options, ours, theirs, "10 KiB", 10 * KIB, 1000, 1.0),
            read_row(options, ours, theirs, "10 MiB", 10 * MIB, 8, 0.8),
        ]
    for directory in directories:
        shutil.rmtree(directory)
    return rows


def read_row(options, ours, theirs, label, size, count, target):
    """The same files from both servers over 64 connections."""
    files = options.scratch / "nginx" / "files"
    contents = [os.urandom(size) for _ in range(count)]
    path_lists = {"stowage": options.scratch / "stowage-paths", "nginx": options.scratch / "nginx-paths"}
    names = [f"{label.replace(' ', '')}-{number}.bin" for number in range(count)]
    for name, content in zip(names, contents):
        (files / name).write_bytes(content)
    path_lists["nginx"].write_text("".join(f"/{name}\n" for name in names))
    path_lists["stowage"].write_text("".join(servers.store(ours, content) + "\n" for content in contents))
    samples = interleave(options, {
        name: lambda server=server, paths=path_lists[name]: read_rate(options, server, paths, size)
        for name, server in {"stowage": ours, "nginx": theirs}.items()
    })
    unit = "MiB/s" if size >= MIB else "reads/s"
    return Row(f"reading {count:,} files of {label}, 64 connections", unit, samples["stowage"], "nginx", samples["nginx"], target)


def read_rate(options, server, paths, size):
    """Reads a second, or MiB a second for large files."""
    figures = read_figures(options, server, paths, size)
    return figures["bytes"] / MIB / figures["seconds"] if size >= MIB else figures["requests"] / figures["seconds"]


def read_figures(options, server, paths, size):
    """What wrk says with one thread and 64 connections."""
    command = ["wrk", "-t", "1", "-c", "64", "-d", f"{options.seconds}s", "--timeout", "20s", "-s", str(servers.HERE / "read.lua"), server.url]
    environment = dict(os.environ, PATHS=str(paths))
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    figures = json.loads(printed.splitlines()[-1])
    # wrk counts whole answers and all bytes; heads are noise beside a large file.
    if figures["errors"] or not figures["requests"] or figures["bytes"] < figures["requests"] * size:
        raise RuntimeError(f"reading failed: {figures}")
    return figures


# Start


def start(options):
    """From spawning the process to the first answer of /healthz, ms: new data directory, and one in use."""
    samples = {"new": [], "used": []}
    directory = options.scratch / "start"
    for _ in range(10):
        shutil.rmtree(directory, ignore_errors=True)
        for name in samples:
            settle()
            samples[name].append(first_answer(directory))
    shutil.rmtree(directory)
    return [Row(f"first answer after start, {name} data directory", "ms", times, target=100) for name, times in samples.items()]


def first_answer(directory):
    """Milliseconds until the first 200."""
    began = time.perf_counter()
    command = [servers.program("stowage"), "serve", "--data", str(directory), "--listen", "127.0.0.1:0"]
    with servers.spawn(command) as process:
        status, _ = servers.get(servers.announced(process), "/healthz")
        elapsed = time.perf_counter() - began
    if status != 200:
        raise RuntimeError(f"/healthz answers {status}")
    return elapsed * 1000
