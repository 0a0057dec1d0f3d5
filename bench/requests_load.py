"""GETs over keep-alive connections, each with one request at a time; for answers that take milliseconds, so that Python is no limit."""

import http.client
import threading
import time

TIMEOUT = 120.0


class Refused(Exception):
    """A server answered something else than 200."""


def fetch(address, path):
    """The body of one answer."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        return ask(connection, path)
    finally:
        connection.close()


def rate(address, paths, seconds):
    """Requests a second and their number: one connection for each path, which is asked for again until the time is over."""
    counts, failures = [], []
    began = time.monotonic()

    def run(path):
        try:
            counts.append(repeat(address, path, began + seconds))
        except (OSError, http.client.HTTPException, Refused) as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(counts) / (time.monotonic() - began), sum(counts)


def repeat(address, path, deadline):
    """Asks until the deadline, at least once; returns how often."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    count = 0
    try:
        while count == 0 or time.monotonic() < deadline:
            ask(connection, path)
            count += 1
    finally:
        connection.close()
    return count


def ask(connection, path):
    """The body of the answer to one request."""
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Refused(f"{path}: {answer.status} {body[:200]!r}")
    return body
