"""The group `images`: photos fitted into 512 pixels, beside other image servers, with the quality of the answers; and results that are kept."""

import asyncio
import contextlib
import re
import resource
import statistics
import sys
import urllib.parse
from dataclasses import dataclass, field

import image_servers
import process_tree
import requests_load
import servers
from measure import MIB, Row, interleave, read_figures

SIDE = 512
QUALITY = 80
CONNECTIONS = (1, 2, 8)
PHOTOS_OF_A_KIND = 8
EQUAL = 0.995  # of a score: less of a difference is none
JUDGED = 3  # photos of each kind whose answers are scored
IDENTICAL = 1000
# Two processor cores, two workers: what the others are set to.
SETTINGS = {"images_workers": image_servers.WORKERS}
TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
JOBS = re.compile(r"^stowage_image_jobs_answered_total (\d+)$", re.MULTILINE)


@dataclass
class Case:
    """Photos of one kind, what is made of them, and how many times as fast as each peer that is to be."""

    name: str
    photos: str
    source: str
    output: str
    targets: dict

    def files(self):
        """Names of the photos."""
        return [f"{self.photos}-{number}.{self.source}" for number in range(PHOTOS_OF_A_KIND)]


@dataclass
class Figures:
    """What one server shows in one case."""

    rates: dict = field(default_factory=dict)  # requests a second by connections: a sample for each round
    cpu: list = field(default_factory=list)  # milliseconds a request
    memory: int = 0  # bytes at the peak
    answers: list = field(default_factory=list)  # bodies for the first photos
    scores: list = field(default_factory=list)  # for each of these against both kinds of reference

    @property
    def best_scores(self):
        """Each judged by the kind of reference that the server comes closer to on the whole."""
        return max(zip(*self.scores), key=statistics.median)


JPEG_TARGETS = {"oximg": 1.0, "ipx": 1.25, "thumbor": 1.3}
OTHER_TARGETS = {"oximg": 1.0, "ipx": 1.5, "thumbor": 1.3}
CASES = [
    Case("12 MP JPEG → JPEG", "12mp", "jpg", "jpg", JPEG_TARGETS),
    Case("24 MP JPEG → JPEG", "24mp", "jpg", "jpg", JPEG_TARGETS),
    Case("12 MP JPEG → WebP", "12mp", "jpg", "webp", JPEG_TARGETS),
    Case("12 MP JPEG → AVIF", "12mp", "jpg", "avif", JPEG_TARGETS),
    Case("4 MP PNG → PNG", "4mp", "png", "png", OTHER_TARGETS),
    Case("12 MP WebP → WebP", "12mp", "webp", "webp", OTHER_TARGETS),
]


class StowageTarget:
    """Stowage with the photos stored in it."""

    def __init__(self, server):
        self.server = server
        self.handles = {}

    def path(self, file, output, cached=False):
        """Path of a photo made small; PNG has no quality."""
        if file not in self.handles:
            content = (image_servers.PHOTOS / file).read_bytes()
            self.handles[file] = servers.store(self.server, content, TYPES[file.rpartition(".")[2]])
        base, _, handle = self.handles[file].rpartition("/")
        tasks = [] if cached else ["cache=false"]
        tasks.append(f"resize=width:{SIDE},height:{SIDE},fit:max")
        tasks.append(f"output=format:{output}" + quality(output, ",quality:{}"))
        return "/".join([base, *tasks, handle])


class Peer:
    """Another server, whose paths are like `template`."""

    def __init__(self, server, template, quality_template, formats):
        self.server = server
        self.template = template
        self.quality_template = quality_template
        self.formats = formats

    def path(self, file, output):
        """Path of a photo made small; PNG has no quality."""
        name = self.formats.get(output, output)
        return self.template.format(side=SIDE, file=file, format=name, quality=quality(output, self.quality_template))


def quality(output, template):
    """How a path says the quality, where there is one: sharp takes it for PNG as a wish for a palette."""
    return "" if output == "png" else template.format(QUALITY)


def images(options):
    """Rows of speed and quality beside the peers and of what is kept, and a table of what each answer costs."""
    with contextlib.ExitStack() as stack:
        targets = start(options, stack)
        figures = {case.name: measure_case(options, case, targets) for case in CASES}
    rows = [row for case in CASES for row in case_rows(case, figures[case.name])]
    return rows + hits(options) + identical(options) + in_flight(options), costs(figures)


def start(options, stack):
    """All servers by name, running until the stack is left."""
    enter = stack.enter_context
    jpeg = {"jpg": "jpeg"}
    return {
        "Stowage": StowageTarget(enter(servers.stowage(options.scratch / "images", **SETTINGS))),
        "oximg": Peer(enter(image_servers.oximg()), "/image/width={side},height={side}{quality},format={format}/{file}", ",quality={}", jpeg),
        "ipx": Peer(enter(image_servers.ipx()), "/s_{side}x{side},fit_inside{quality},f_{format}/{file}", ",q_{}", jpeg),
        "thumbor": Peer(
            enter(image_servers.thumbor()), "/unsafe/fit-in/{side}x{side}/filters:format({format}){quality}/{file}", ":quality({})", jpeg
        ),
    }


def measure_case(options, case, targets):
    """Figures of each server by name."""
    figures = {name: Figures() for name in targets}
    paths = {name: [target.path(file, case.output) for file in case.files()] for name, target in targets.items()}
    for name, target in targets.items():
        # The first answers also warm up.
        bodies = [requests_load.fetch(target.server.address, path) for path in paths[name]]
        figures[name].answers = bodies[:JUDGED]

    def contender(name, connections):
        return lambda: sample(options, targets[name].server, paths[name][:connections], figures[name])

    for connections in CONNECTIONS:
        print(f" {case.name}, {connections} connections", file=sys.stderr)
        samples = interleave(options, {name: contender(name, connections) for name in targets})
        for name, rates in samples.items():
            figures[name].rates[connections] = rates
    judge(options, case, figures)
    return figures


def sample(options, server, paths, figures):
    """Requests a second; notes processor time and memory beside."""
    root = server.process.pid
    with process_tree.PeakMemory(root, 0.1) as peak:
        before = process_tree.cpu_seconds(root)
        rate, count = requests_load.rate(server.address, paths, options.seconds)
        figures.cpu.append((process_tree.cpu_seconds(root) - before) * 1000 / count)
    figures.memory = max(figures.memory, peak.bytes)
    return rate


def judge(options, case, figures):
    """Scores the answers of all servers for the first photos."""
    for number, photo in enumerate(case.files()[:JUDGED]):
        files = []
        for name, one in figures.items():
            files.append(options.scratch / f"answer-{name}.{case.output}")
            files[-1].write_bytes(one.answers[number])
        for one, pair in zip(figures.values(), image_servers.score(image_servers.PHOTOS / photo, files)):
            one.scores.append(pair)


def case_rows(case, figures):
    """Speed at each number of connections and quality, beside each peer."""
    ours = figures["Stowage"]
    rows = []
    for peer, target in case.targets.items():
        theirs = figures[peer]
        for connections in CONNECTIONS:
            name = f"{case.name}, {connections} connection{'s' * (connections > 1)}"
            rows.append(Row(name, "/s", ours.rates[connections], peer, theirs.rates[connections], target))
        rows.append(Row(f"{case.name}, SSIMULACRA2", "points", ours.best_scores, peer, theirs.best_scores, EQUAL))
    return rows


def costs(figures):
    """Processor time, memory, bytes and scores of each server in each case, as Markdown."""
    lines = [
        "| case | server | CPU per request | peak memory | answer | SSIMULACRA2 | in linear light |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, servers_of_case in figures.items():
        for name, one in servers_of_case.items():
            as_encoded, linear = map(statistics.median, zip(*one.scores))
            size = statistics.median(map(len, one.answers))
            cells = [
                case, name, f"{statistics.median(one.cpu):.1f} ms", f"{one.memory / MIB:.0f} MiB", f"{size:,.0f} bytes",
                f"{as_encoded:.1f}", f"{linear:.1f}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def hits(options):
    """Results that are kept, beside the same bytes from nginx."""
    tails = []
    with servers.stowage(options.scratch / "hits", **SETTINGS) as ours, servers.nginx(options.scratch / "hits-nginx") as theirs:
        path = StowageTarget(ours).path("12mp-0.jpg", "jpg", cached=True)
        content = requests_load.fetch(ours.address, path)
        (options.scratch / "hits-nginx" / "files" / "result.jpg").write_bytes(content)

        def reads(server, path, name):
            paths = options.scratch / f"hits-{name}-paths"
            paths.write_text(f"{path}\n")
            figures = read_figures(options, server, paths, len(content))
            if name == "stowage":
                tails.append(figures["p99_ms"])
            return figures["requests"] / figures["seconds"]

        samples = interleave(options, {
            "stowage": lambda: reads(ours, path, "stowage"),
            "nginx": lambda: reads(theirs, "/result.jpg", "nginx"),
        })
    return [
        Row("kept results, 64 connections", "/s", samples["stowage"], "nginx, the same bytes", samples["nginx"], 0.7),
        Row("kept results, 64 connections, 99 of 100 within", "ms", tails, target=5),
    ]


def identical(options):
    """How often workers do what a thousand ask for at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * IDENTICAL)), hard))
    with servers.stowage(options.scratch / "identical", **SETTINGS) as server:
        path = StowageTarget(server).path("24mp-0.jpg", "jpg", cached=True)
        before = jobs(server)
        asyncio.run(ask_together(server.address, path, IDENTICAL))
        done = jobs(server) - before
    return [Row(f"{IDENTICAL:,} identical requests at once", "computations", [done], target=2)]


def jobs(server):
    """Jobs that workers have done so far."""
    _, text = servers.get(server.address, "/metrics")
    return int(JOBS.search(text.decode())[1])


async def ask_together(address, path, count):
    """Opens all connections, then sends on all of them."""
    host, port = urllib.parse.urlsplit(f"//{address}").hostname, int(address.rpartition(":")[2])
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode()
    connections = [await asyncio.open_connection(host, port) for _ in range(count)]

    async def ask(reader, writer):
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer.split(b"\r\n", 1)[0], len(answer)

    answers = await asyncio.gather(*(ask(*connection) for connection in connections))
    if {head for head, _ in answers} != {b"HTTP/1.1 200 OK"}:
        raise RuntimeError(f"asked at once: {sorted(set(answers))[:5]}")


def in_flight(options):
    """Memory of the server and its workers while as many large photos as there are wait or are worked on."""
    files = [file for case in CASES[:2] for file in case.files()]
    with servers.stowage(options.scratch / "in-flight", **SETTINGS) as server:
        target = StowageTarget(server)
        paths = [target.path(file, "jpg") for file in files]
        with process_tree.PeakMemory(server.process.pid, 0.02) as peak:
            requests_load.rate(server.address, paths, max(options.seconds, 2))
    return [Row(f"peak memory, {len(files)} different photos of 12 and 24 MP in flight", "MiB", [peak.bytes / MIB], target=200)]
