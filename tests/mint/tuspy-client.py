"""tuspy: everything it can speak, each file read back."""

import io
import os

import requests
from check import EXPIRY, MIB, SECURITY, step

import filestack
from tusclient import client
from tusclient.storage import filestorage

KEY, SECRET = os.environ["KEY"], os.environ["SECRET"]


def allow(*calls):
    """`&policy=…&signature=…` where the app wants one."""
    if SECURITY == "off":
        return ""
    security = filestack.Security({"expiry": EXPIRY, "call": list(calls)}, SECRET)
    return f"&policy={security.policy_b64}&signature={security.signature}"


tus = client.TusClient(f"https://upload.fs.localhost/tus/?key={KEY}{allow('pick')}")


def refusal_of(error):
    return error.status_code, error.response_content.decode()


def stored(name, content, run):
    """Runs an upload, which gives its URL; what it became is asked for there."""
    url = step(name, run, refusal_of)
    if url is None:
        return
    answer = requests.get(url)
    assert answer.status_code == 200, f"{name}: {answer.text}"
    handle = answer.json()["handle"]
    read = requests.get(f"https://www.fs.localhost/api/file/{handle}?key={KEY}{allow('read')}")
    assert read.content == content, f"{name}: the bytes come back"
    metadata = requests.get(f"https://www.fs.localhost/api/file/{handle}/metadata?key={KEY}{allow('stat')}").json()
    assert (metadata["filename"], metadata["mimetype"]) == ("Ünï côdé.bin", "application/x-mint"), metadata


def uploader(content, **options):
    metadata = {"filename": "Ünï côdé.bin", "filetype": "application/x-mint"}
    return tus.uploader(file_stream=io.BytesIO(content), metadata=metadata, **options)


def whole(content, **options):
    upload = uploader(content, **options)
    upload.upload()
    return upload.url


def resumed(content):
    """The first two chunks, and the rest by another client object that finds the URL in a file."""
    with open("content.bin", "wb") as file:
        file.write(content)
    options = {"store_url": True, "url_storage": filestorage.FileStorage("urls.json"), "chunk_size": 2 * MIB}
    metadata = {"filename": "Ünï côdé.bin", "filetype": "application/x-mint"}
    first = tus.uploader("content.bin", metadata=metadata, **options)
    first.upload_chunk()
    first.upload_chunk()
    second = tus.uploader("content.bin", metadata=metadata, **options)
    assert second.url == first.url and second.offset == 4 * MIB, second.offset
    second.upload()
    return second.url


small, large = os.urandom(70_000), os.urandom(9 * MIB + 5)
stored("in one go", large, lambda: whole(large))
stored("in chunks", large, lambda: whole(large, chunk_size=4 * MIB))
stored("with checksums", large, lambda: whole(large, chunk_size=4 * MIB, upload_checksum=True))
stored("a small file", small, lambda: whole(small))
stored("resumed", large, lambda: resumed(large))
