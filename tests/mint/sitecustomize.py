"""Python imports this by itself. It stands in for DNS and for the privilege to listen on port 443, as reach.mjs does."""

import os
import socket

_resolve = socket.getaddrinfo


def _to_the_server(host, port, *arguments, **options):
    if isinstance(host, bytes):
        host = host.decode()
    if host.endswith("fs.localhost") and int(port) == 443:
        host, port = "127.0.0.1", int(os.environ["PORT"])
    if host not in ("localhost", "127.0.0.1"):
        raise RuntimeError(f"a client dials {host}:{port}")
    return _resolve(host, port, *arguments, **options)


socket.getaddrinfo = _to_the_server
