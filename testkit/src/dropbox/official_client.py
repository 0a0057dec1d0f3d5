"""Dropbox's own Python SDK against the double. usage: official_client.py PORT APP_KEY APP_SECRET REFRESH_TOKEN"""

import hashlib
import os
import sys

port, app_key, app_secret, refresh_token = sys.argv[-4:]
host = f"127.0.0.1:{port}"
for name in ("DROPBOX_API_HOST", "DROPBOX_API_CONTENT_HOST", "DROPBOX_API_NOTIFY_HOST", "DROPBOX_WEB_HOST"):
    os.environ[name] = host

import dropbox  # noqa: E402  reads the hosts
import requests  # noqa: E402
from dropbox import files  # noqa: E402

BLOCK = 4 << 20


class Plain(requests.adapters.HTTPAdapter):
    """The SDK speaks HTTPS only, the double HTTP."""

    def send(self, request, **options):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **options)


def content_hash(content):
    blocks = (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


def refused(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except dropbox.exceptions.ApiError as error:
        return error.error
    raise AssertionError("the call should have been refused")


session = dropbox.create_session()
session.mount("https://", Plain())
client = dropbox.Dropbox(
    oauth2_refresh_token=refresh_token, app_key=app_key, app_secret=app_secret, session=session, max_retries_on_error=0
)
overwrite = files.WriteMode.overwrite

written = client.files_upload(b"hello", "/sdk/ünï.txt", mode=overwrite, content_hash=content_hash(b"hello"))
assert (written.size, written.content_hash, written.path_lower) == (5, content_hash(b"hello"), "/sdk/ünï.txt"), written
assert refused(client.files_upload, b"other", "/sdk/ÜNÏ.txt").get_path().reason.is_conflict()
assert refused(client.files_upload, b"a", "/sdk/b", content_hash="0" * 64).is_content_hash_mismatch()

big = os.urandom(2 * BLOCK + 100)
started = client.files_upload_session_start(big[:BLOCK])
cursor = files.UploadSessionCursor(started.session_id, 0)
assert refused(client.files_upload_session_append_v2, b"x", cursor).get_incorrect_offset().correct_offset == BLOCK
cursor.offset = BLOCK
client.files_upload_session_append_v2(big[BLOCK : 2 * BLOCK], cursor)
cursor.offset = 2 * BLOCK
commit = files.CommitInfo("/sdk/Big.bin", mode=overwrite)
finished = client.files_upload_session_finish(big[2 * BLOCK :], cursor, commit)
assert (finished.size, finished.content_hash) == (len(big), content_hash(big)), finished
assert refused(client.files_upload_session_finish, b"", cursor, commit).get_lookup_failed().is_not_found()

metadata, response = client.files_download("/sdk/big.BIN")
assert (metadata.rev, response.content) == (finished.rev, big)
assert client.files_get_metadata("/sdk/Big.bin").content_hash == content_hash(big)
assert isinstance(client.files_get_metadata("/sdk"), files.FolderMetadata)
assert refused(client.files_get_metadata, "/sdk/none").get_path().is_not_found()
assert refused(client.files_download, "/sdk/none").get_path().is_not_found()

copied = client.files_copy_v2("/sdk/Big.bin", "/sdk/copy.bin").metadata
assert copied.content_hash == content_hash(big)
assert refused(client.files_copy_v2, "/sdk/Big.bin", "/sdk/copy.bin").get_to().is_conflict()
assert refused(client.files_copy_v2, "/sdk/none", "/sdk/c").get_from_lookup().is_not_found()

names = set()
page = client.files_list_folder("/sdk", recursive=True, limit=2)
while True:
    assert len(page.entries) <= 2, page
    names |= {entry.path_display for entry in page.entries if isinstance(entry, files.FileMetadata)}
    if not page.has_more:
        break
    page = client.files_list_folder_continue(page.cursor)
assert names == {"/sdk/ünï.txt", "/sdk/Big.bin", "/sdk/copy.bin"}, names
assert refused(client.files_list_folder, "/none").get_path().is_not_found()

link = client.files_get_temporary_link("/sdk/copy.bin").link
assert requests.get(link, headers={"Range": "bytes=10-19"}).content == big[10:20]

client.files_delete_v2("/sdk/copy.bin")
assert refused(client.files_delete_v2, "/sdk/copy.bin").get_path_lookup().is_not_found()

revoked = dropbox.Dropbox(oauth2_refresh_token="revoked", app_key=app_key, app_secret=app_secret, session=session)
try:
    revoked.files_get_metadata("/sdk")
    raise AssertionError("a revoked token should have been refused")
except (dropbox.exceptions.AuthError, dropbox.exceptions.BadInputError):
    pass
print("the double satisfies the official client")
