"""What a process and everything below it uses, from /proc."""

import os
import threading
import time
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
RESCAN = 0.5  # seconds between looks for new processes: going through all of /proc costs milliseconds


def members(root):
    """Process ids of the tree."""
    parents = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    tree = {root}
    while found := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= found
    return tree


def cpu_seconds(root):
    """Processor time so far: of the tree, and of those of its processes that ended before."""
    return sum(int(field) for pid in members(root) if (fields := stat(pid)) for field in fields[11:15]) / TICKS


def stat(pid):
    """Fields of /proc/PID/stat after the name (the first is the state); none if the process has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def resident(pid):
    """Resident bytes of a process; what several processes share is divided among them."""
    directory = PROC / str(pid)
    try:
        for line in (directory / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except PermissionError:
        # A process that has locked itself in tells others than root only the sum.
        return int((directory / "statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


class PeakMemory:
    """The most memory that a tree has while a block runs, sampled: `with PeakMemory(pid, 0.1) as peak: …`, then `peak.bytes`."""

    def __init__(self, root, interval):
        self.bytes = 0
        self._root = root
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _sample(self):
        tree, scanned = [], 0.0
        while not self._stop.wait(self._interval):
            if time.monotonic() - scanned > RESCAN:
                tree, scanned = members(self._root), time.monotonic()
            self.bytes = max(self.bytes, sum(map(resident, tree)))
