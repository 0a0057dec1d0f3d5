"""filestack-python: every call of the SDK that the server answers, with policies of that one call."""

import io
import os

from check import EXPIRY, MIB, SECURITY, step

import filestack
from filestack.uploads import intelligent_ingestion

filestack.config.CNAME = "fs.localhost"
type(filestack.config).API_URL = "https://www.fs.localhost/api"

KEY, SECRET, ORIGIN = (os.environ[name] for name in ("KEY", "SECRET", "ORIGIN"))


def sign(*calls):
    return filestack.Security({"expiry": EXPIRY, "call": list(calls)}, SECRET)


def allow(*calls):
    """Of calls that are free as long as the app has no security."""
    return None if SECURITY == "off" else sign(*calls)


def refusal_of(error):
    # The SDK raises the text of the answer.
    return error.__cause__.response.status_code, str(error)


client = filestack.Client(KEY)


def upload(name, content, store=None, intelligent=False, as_object=False):
    path = f"{name}.bin"
    with open(path, "wb") as file:
        file.write(content)
    source = {"file_obj": io.BytesIO(content)} if as_object else {"filepath": path}
    security = allow("pick")
    link = step(name, lambda: client.upload(**source, store_params=store, intelligent=intelligent, security=security), refusal_of)
    if link is None:
        return None
    answer = link.upload_response
    assert answer["size"] == len(content) and answer["status"] == "Stored", answer
    assert answer["url"] == f"https://cdn.fs.localhost/{link.handle}" == link.url, answer
    assert link.get_content(security=allow("read")) == content, f"{name}: the bytes come back"
    return link


small, large = os.urandom(70_000), os.urandom(20 * MIB)
store = {"filename": "Ünï côdé.txt", "mimetype": "text/plain", "path": "in/the/folder/", "upload_tags": {"album": "süd"}}
store["workflows"] = ["6a8a12e2-1ff6-4b21-98f6-0e9d9b7b2d53"]
first = upload("upload", small, store)
if first:
    assert first.upload_response["filename"] == "Ünï côdé.txt"
    assert first.upload_response["mimetype"] == "text/plain"
    assert first.upload_response["key"].startswith("in/the/folder/")
    assert first.upload_response["upload_tags"] == {"album": "süd"}
upload("upload in parts", large)
upload("upload of an object", small, as_object=True)
upload("upload of nothing", b"")
upload("intelligent upload", large, intelligent=True)
intelligent_ingestion.CHUNK_SIZE = MIB
upload("intelligent upload in chunks", large[: 9 * MIB + 1], intelligent=True)

link = filestack.Filelink(first.handle if first else os.environ["HANDLE"], apikey=KEY)

fetched = step("upload_url", lambda: client.upload_url(f"{ORIGIN}/plain.txt?a=b,c", {"filename": "fetched.txt"}, allow("store")), refusal_of)
if fetched:
    assert fetched.upload_response["filename"] == "fetched.txt", fetched.upload_response
    assert fetched.get_content(allow("read")) == b"plain text"

metadata = step("metadata", lambda: link.metadata(security=allow("stat")), refusal_of)
if metadata:
    assert (metadata["size"], metadata["filename"], metadata["mimetype"]) == (70_000, "Ünï côdé.txt", "text/plain"), metadata
    assert link.metadata(["size"], allow("stat")) == {"size": 70_000}

step("get_content", lambda: link.get_content(security=allow("read")), refusal_of)
downloaded = step("download", lambda: link.download("downloaded.bin", security=allow("read")), refusal_of)
if downloaded:
    assert downloaded == 70_000
    with open("downloaded.bin", "rb") as file:
        assert file.read() == small
if SECURITY == "on":
    assert filestack.utils.requests.get(link.signed_url(sign("read"))).content == small

# These need a policy in every app.
with open("new.txt", "wb") as file:
    file.write(b"overwritten from a path")
for name, source, expected in (
    ("overwrite by a path", lambda: {"filepath": "new.txt"}, b"overwritten from a path"),
    ("overwrite by an object", lambda: {"file_obj": io.BytesIO(b"from an object")}, b"from an object"),
    ("overwrite by base64", lambda: {"file_obj": io.BytesIO(b"aGVsbG8="), "base64decode": True}, b"hello"),
    ("overwrite by a URL", lambda: {"url": f"{ORIGIN}/plain.txt"}, b"plain text"),
):
    if step(name, lambda: link.overwrite(**source(), security=sign("write", "writeUrl")), refusal_of):
        assert link.get_content(security=allow("read")) == expected, name

step("delete", lambda: link.delete(security=sign("remove")) or True, refusal_of)
if SECURITY != "expired":
    try:
        link.get_content(security=allow("read"))
    except Exception as error:
        assert refusal_of(error)[0] == 404, repr(error)
    else:
        raise AssertionError("the file is still there")
