"""Runs a whole OpenStack Swift of one device below a directory, from Debian's packages.

usage: launch.py DIRECTORY. Prints the proxy's port once it answers; stops everything when its standard input closes.
Nothing is written outside the directory, and no special user is needed.
"""

import ctypes
import gc
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import run_wsgi

STORAGE = ("account", "container", "object")
PROXY_PIPELINE = (
    "catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl tempauth "
    "copy container-quotas slo dlo proxy-logging proxy-server"
)


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def common(directory, port):
    user = pwd.getpwuid(os.getuid()).pw_name
    return (
        f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nuser = {user}\nworkers = 0\nswift_dir = {directory}\n"
        f"devices = {directory}/devices\nmount_check = false\nfallocate_reserve = 0\nlog_level = ERROR\n"
    )


def storage_conf(directory, kind, port):
    return common(directory, port) + (
        f"[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n"
    )


def proxy_conf(directory, port, memcached):
    filters = "".join(
        f"[filter:{name}]\nuse = egg:swift#{name.replace('-', '_')}\n"
        for name in dict.fromkeys(PROXY_PIPELINE.split()[:-1])
        if name not in ("cache", "tempauth", "tempurl", "proxy-logging")
    )
    return common(directory, port) + (
        f"[pipeline:main]\npipeline = {PROXY_PIPELINE}\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        # A busy machine must not look like a broken disk.
        "conn_timeout = 10\nnode_timeout = 60\nrecoverable_node_timeout = 60\nerror_suppression_limit = 1000000\n"
        "[filter:proxy-logging]\nuse = egg:swift#proxy_logging\n"
        f"[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{memcached}\n"
        # Without the last setting user metadata would be hidden from the tests' direct requests.
        "[filter:tempurl]\nuse = egg:swift#tempurl\nallowed_digests = sha1 sha256\noutgoing_remove_headers =\n"
        "[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = testing .admin\n"
        "user_test_reader = reading\n" + filters
    )


def build_ring(directory, kind, port):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(f"{directory}/{kind}.ring.gz")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives a killed launcher


def serve(directory, kind):
    if os.fork() == 0:
        die_with_parent()
        # eventlet looks for locks to replace by collecting garbage for each; of what is frozen it finds none. That is
        # most of a start, and needless: one thread never waits for its own locks.
        gc.freeze()
        os._exit(run_wsgi(f"{directory}/{kind}.conf", f"{kind}-server"))


def wait_until_listening(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def main(directory):
    *storage_ports, proxy, memcached = free_ports(len(STORAGE) + 2)
    os.makedirs(f"{directory}/devices/d1")
    write(
        f"{directory}/swift.conf",
        "[swift-hash]\nswift_hash_path_suffix = test\n[storage-policy:0]\nname = one\ndefault = yes\n",
    )
    utils.set_swift_dir(directory)
    for kind, port in zip(STORAGE, storage_ports):
        build_ring(directory, kind, port)
        write(f"{directory}/{kind}.conf", storage_conf(directory, kind, port))
    write(f"{directory}/proxy.conf", proxy_conf(directory, proxy, memcached))
    user = pwd.getpwuid(os.getuid()).pw_name
    subprocess.Popen(
        ["memcached", "-l", "127.0.0.1", "-p", str(memcached), "-u", user], preexec_fn=die_with_parent
    )
    for kind in (*STORAGE, "proxy"):
        serve(directory, kind)
    for port in (*storage_ports, memcached, proxy):
        wait_until_listening(port)
    print(proxy, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[-1]))
