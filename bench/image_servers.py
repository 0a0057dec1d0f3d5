"""The image servers that Stowage is compared with, and the tools to judge what they answer: installed when missing, started on loopback."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import process_tree
import servers

PEERS = servers.HERE / "image-peers"
ROOT = servers.CACHE / "bench" / "images"
PYTHON = ROOT / "python"
LIBRARIES = ROOT / "libraries"
PHOTOS = ROOT / "photos"
OXIMG, SSIMULACRA2 = "0.18.1", "0.5.2"
WORKERS = 2
# Photos of these packages are unpacked, not installed.
WALLPAPERS = ["mate-backgrounds", "lomiri-wallpapers-20.04"]


def install():
    """Peers, judge and photos that are missing. oximg is compiled, which takes minutes."""
    ROOT.mkdir(parents=True, exist_ok=True)
    tools = {"nasm": "nasm", "cmake": "cmake"}
    servers.install_debian([package for command, package in tools.items() if not shutil.which(command)])
    servers.install_python(PYTHON, PEERS / "requirements.txt")
    servers.install_node(ROOT / "ipx", PEERS, ["ipx.mjs"])
    install_oximg()
    install_crate("ssimulacra2_rs", SSIMULACRA2, "--no-default-features")
    make_photos()


def install_oximg():
    """oximg with AVIF: SVT-AV1 and dav1d in the versions that it wants are not in Debian 12, but in PyAV's wheel."""
    LIBRARIES.mkdir(exist_ok=True)
    for name in ("SvtAv1Enc", "dav1d"):
        link, library = LIBRARIES / f"lib{name}.so", next(wheel_libraries().glob(f"lib{name}-*"))
        link.unlink(missing_ok=True)
        link.symlink_to(library)
    install_crate(
        "oximg", OXIMG, "--features", "avif",
        SVT_AV1_LIB_DIR=LIBRARIES, SYSTEM_DEPS_DAV1D_NO_PKG_CONFIG="1", SYSTEM_DEPS_DAV1D_LIB="dav1d", SYSTEM_DEPS_DAV1D_SEARCH_NATIVE=LIBRARIES,
    )


def wheel_libraries():
    """Where PyAV's wheel has its shared libraries."""
    return next((PYTHON / "lib").glob("python3*/site-packages/av.libs"))


def install_crate(name, version, *features, **environment):
    """A program of a crate, compiled unless this version is there already."""
    installed = ROOT / name / "bin" / name
    if installed.exists() and version in subprocess.run([installed, "--version"], capture_output=True, text=True, env=run_time()).stdout:
        return
    target = ROOT / name / "target"
    settings = dict(os.environ, CARGO_TARGET_DIR=str(target), **{key: str(value) for key, value in environment.items()})
    servers.run("cargo", "install", name, "--version", version, "--locked", "--force", "--root", str(ROOT / name), *features, env=settings)
    shutil.rmtree(target)


def make_photos():
    """The photos, from wallpapers if the distribution has them."""
    recipe = servers.HERE / "photos.py"
    made_by = PHOTOS / "made-by.py"
    if made_by.exists() and made_by.read_bytes() == recipe.read_bytes():
        return
    wallpapers = ROOT / "wallpapers"
    for package in WALLPAPERS:
        fetch_package(package, wallpapers)
    servers.run(str(PYTHON / "bin" / "python"), str(recipe), str(wallpapers), str(PHOTOS))
    shutil.copy(recipe, made_by)
    shutil.rmtree(wallpapers, ignore_errors=True)


def fetch_package(package, directory):
    """Unpacks a package of the distribution; says so if there is none."""
    directory.mkdir(exist_ok=True)
    download = subprocess.run(["apt-get", "download", "-q", package], cwd=directory, stdout=2)
    archives = list(directory.glob(f"{package}_*.deb"))
    if download.returncode != 0 or not archives:
        print(f"{package} is not to be had: pictures are generated instead", file=sys.stderr)
        return
    servers.run("dpkg-deb", "-x", str(archives[0]), str(directory))


def versions():
    """What is compared."""
    pinned = dict(line.split("==") for line in (PEERS / "requirements.txt").read_text().splitlines() if "==" in line)
    ipx = json.loads((PEERS / "package.json").read_text())["dependencies"]["ipx"]
    return {"oximg": OXIMG, "ipx": ipx, "thumbor": pinned["thumbor"], "ssimulacra2_rs": SSIMULACRA2}


def run_time():
    """Where oximg finds its libraries."""
    return dict(os.environ, LD_LIBRARY_PATH=str(wheel_libraries()))


def score(photo, answers):
    """SSIMULACRA2 of each answer, a file, against a reference made from the photo: (resized as encoded, resized in linear light)."""
    judge = ROOT / "ssimulacra2_rs" / "bin" / "ssimulacra2_rs"
    command = [PYTHON / "bin" / "python", servers.HERE / "score.py", judge, photo, *answers]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@contextlib.contextmanager
def oximg():
    """oximg with its defaults; GET /image/OPTIONS/FILE."""
    port = servers.free_port()
    settings = {
        "OXIMG_BIND": "127.0.0.1", "PORT": str(port), "OXIMG_WORKERS": str(WORKERS),
        "IMAGES_DIR": str(PHOTOS), "OXIMG_OPTIONS_PREFIX": "/image", "LD_LIBRARY_PATH": str(wheel_libraries()),
        # Or SVT-AV1 tells thirty lines about each picture.
        "SVT_LOG": "1",
    }
    with servers.spawn([str(ROOT / "oximg" / "bin" / "oximg")], settings) as process:
        servers.wait_for_port(port, process)
        yield servers.Running(process, f"127.0.0.1:{port}")


@contextlib.contextmanager
def ipx():
    """ipx, that is sharp, with its defaults; GET /MODIFIERS/FILE."""
    # The threads in which sharp works.
    settings = {"UV_THREADPOOL_SIZE": str(WORKERS), "NODE_ENV": "production"}
    with servers.spawn(["node", str(ROOT / "ipx" / "ipx.mjs"), str(PHOTOS)], settings) as process:
        yield servers.Running(process, servers.announced(process))


@contextlib.contextmanager
def thumbor():
    """thumbor, one process for each worker; GET /unsafe/fit-in/…/FILE."""
    port = servers.free_port()
    command = [
        str(PYTHON / "bin" / "thumbor"), "--ip", "127.0.0.1", "--port", str(port),
        "--conf", str(PEERS / "thumbor.conf"), "--processes", str(WORKERS), "--log-level", "error",
    ]
    with servers.spawn(command, {"PHOTOS": str(PHOTOS)}) as process:
        try:
            servers.wait_for_port(port, process)
            yield servers.Running(process, f"127.0.0.1:{port}")
        finally:
            # The parent would leave its children behind, and replace those that are killed before it.
            tree = process_tree.members(process.pid)
            process.kill()
            process.wait()
            for pid in tree - {process.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
