"""The servers that are compared: installed when missing, started on free loopback ports, stopped by their process id."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stowage"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
TUS = CACHE / "bench" / "tus"
BOTO3 = CACHE / "bench" / "boto3"
START_TIMEOUT = 10.0


class Running:
    """A server process of ours and its address."""

    def __init__(self, process, address):
        self.process = process
        self.address = address

    @property
    def url(self):
        return f"http://{self.address}"

    def peak_memory(self):
        """Largest resident memory so far, bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the kernel does not say VmHWM")


class Stowage(Running):
    """A running `stowage serve` with one app; `key` is the app's API key."""

    key = None

    @property
    def store(self):
        """Path and query of the Store API."""
        return f"/api/store/S3?key={self.key}"


def install():
    """Builds our programs and installs the peers that are missing."""
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TARGET))
    for package in ("stowage", "stowage-testkit"):
        run("cargo", "build", "--release", "--locked", "-p", package, cwd=REPOSITORY, env=environment)
    packages = {"nginx": ["nginx-light"], "wrk": ["wrk"], "curl": ["curl"], "npm": ["npm"], "node": ["nodejs"]}
    install_debian([name for command, names in packages.items() if not shutil.which(command) for name in names])
    install_tus()
    install_python(BOTO3, HERE / "boto3" / "requirements.txt")


def install_tus():
    """@tus/server in the versions of its lock file."""
    install_node(TUS, HERE / "tus", ["server.mjs"])


def install_node(directory, source, programs):
    """The packages of a lock file, and the programs that use them."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", *programs):
        shutil.copy(source / name, directory / name)
    lock, installed = directory / "package-lock.json", directory / "installed-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=directory)
        shutil.copy(lock, installed)


def install_python(directory, wanted):
    """A virtual environment with what a requirements file lists."""
    installed = directory / "installed.txt"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    shutil.rmtree(directory, ignore_errors=True)
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
        install_debian(["python3-venv"])
    run(sys.executable, "-m", "venv", str(directory))
    run(str(directory / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted))
    shutil.copy(wanted, installed)


def install_debian(packages):
    """Installs packages without letting their daemons start."""
    if not packages:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        run(*as_root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {policy} && chmod 755 {policy}")
    try:
        run(*as_root, "apt-get", "update", "-q")
        run(*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)
    finally:
        if ours:
            run(*as_root, "rm", "-f", str(policy))


def run(*command, **options):
    """Runs a command; its output goes to standard error, so that standard output holds the results alone."""
    subprocess.run(command, check=True, stdout=2, **options)


def versions():
    """What the peers call themselves."""
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.split("/")[-1].strip()
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    tus = json.loads((TUS / "package.json").read_text())["dependencies"]
    s3s = next(line.split('"')[1].lstrip("=") for line in (REPOSITORY / "Cargo.toml").read_text().splitlines() if line.startswith("s3s-fs"))
    return {
        "nginx": nginx,
        "node": node.lstrip("v"),
        "@tus/server": tus["@tus/server"],
        "@tus/file-store": tus["@tus/file-store"],
        "s3s-fs": s3s,
        "boto3": (HERE / "boto3" / "requirements.txt").read_text().split("==")[1].strip(),
    }


def program(name):
    """A program of our release build."""
    return str(TARGET / "release" / name)


@contextlib.contextmanager
def stowage(directory, **settings):
    """`stowage serve` with defaults and these settings, but without a line in the log for each request (nginx writes none either)."""
    environment = {f"STOWAGE_{name.upper()}": str(value) for name, value in settings.items()}
    with spawn([program("stowage"), "serve", "--data", str(directory / "data"), "--listen", "127.0.0.1:0"], environment) as process:
        server = Stowage(process, announced(process))
        server.key = json.loads(command(directory, "app", "create", "bench", "--json"))["apikey"]
        yield server


@contextlib.contextmanager
def stowage_on_s3(directory):
    """`stowage serve` with an app whose location S3 is s3s-fs, a process of its own."""
    with s3(directory / "s3") as provider, stowage(directory) as server:
        settings = ["bucket=bench", f"endpoint={provider.url}", "access_key_id=stowage-test", "secret_access_key=stowage-test-secret"]
        command(directory, "store", "add", "bench", "S3", "--provider", "s3", *settings)
        yield server


def command(directory, *arguments):
    """Runs a command of Stowage beside the server on `directory`; returns what it prints."""
    line = [program("stowage"), *arguments, "--data", str(directory / "data")]
    return subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=clean_environment()).stdout


@contextlib.contextmanager
def nginx(directory):
    """nginx with `nginx.conf`; PUT and GET below /."""
    for name in ("temp", "files"):
        (directory / name).mkdir(parents=True)
    port = free_port()
    # As root, nginx would give its workers another user, who could not write here.
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = (HERE / "nginx.conf").read_text().replace("PORT;", f"{port};").replace("\nUSER\n", f"\n{user}\n")
    (directory / "nginx.conf").write_text(configuration)
    with spawn(["nginx", "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"]) as process:
        server = Running(process, f"127.0.0.1:{port}")
        wait_for_port(port, process)
        yield server


@contextlib.contextmanager
def tus(directory):
    """@tus/server with its file store; POST to /files."""
    directory.mkdir(parents=True)
    with spawn(["node", str(TUS / "server.mjs"), str(directory)]) as process:
        yield Running(process, announced(process))


@contextlib.contextmanager
def s3(directory):
    """s3s-fs, its signature check on; PUT to /bench/NAME."""
    directory.mkdir(parents=True)
    with spawn([program("s3_server"), "--root", str(directory), "--bucket", "bench"]) as process:
        yield Running(process, announced(process))


@contextlib.contextmanager
def spawn(command, environment=None):
    """Runs a server for as long as the block lasts."""
    variables = clean_environment() | (environment or {})
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=variables)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=START_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def clean_environment():
    """Ours without settings that would change the server or send a client to a proxy."""
    environment = {
        name: value for name, value in os.environ.items()
        if not name.startswith("STOWAGE_") and not name.lower().endswith("_proxy")
    }
    return dict(environment, STOWAGE_LOG_ACCESS="false", STOWAGE_LOG_LEVEL="warn")


def announced(process):
    """The address from the line `listening on http://…`."""
    for line in process.stdout:
        if line.startswith("listening on http://"):
            return line.split("//")[1].strip()
    raise RuntimeError(f"{process.args[0]} ended without listening")


def free_port():
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    """Waits until something listens."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise RuntimeError(f"{process.args[0]} does not listen")


def get(address, path):
    """Status and body of a GET."""
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def store(server, content, content_type="application/octet-stream"):
    """Stores bytes in a Stowage server; returns the path of the file."""
    connection = http.client.HTTPConnection(server.address, timeout=30)
    try:
        connection.request("POST", server.store, content, {"Content-Type": content_type})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"storing failed: {answer.status} {text!r}")
        return urllib.parse.urlsplit(json.loads(text)["url"]).path
    finally:
        connection.close()
