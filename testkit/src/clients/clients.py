"""The providers' own clients, for looking at what a server stored and for storing beside it.

usage: clients.py. Reads questions from its standard input and writes answers to its standard output, one JSON object a line.
The first question names the client and its settings; later ones put an object or describe one.
"""

import base64
import hashlib
import json
import os
import sys


class S3:
    def __init__(self, settings):
        import boto3
        from botocore.config import Config

        self.client = boto3.client(
            "s3",
            endpoint_url=settings["endpoint"],
            aws_access_key_id=settings["access_key_id"],
            aws_secret_access_key=settings["secret_access_key"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def put(self, container, key, content, media_type):
        self.client.put_object(Bucket=container, Key=key, Body=content, ContentType=media_type)

    def get(self, container, key):
        found = self.client.get_object(Bucket=container, Key=key)
        return found["Body"].read(), found["ContentType"], found.get("ContentDisposition"), found["Metadata"]


class Azure:
    def __init__(self, settings):
        from azure.storage.blob import BlobServiceClient, ContentSettings

        credential = {"account_name": settings["account"], "account_key": settings["account_key"]}
        self.client = BlobServiceClient(settings["endpoint"], credential=credential)
        self.settings_of = lambda media_type: ContentSettings(content_type=media_type)

    def put(self, container, key, content, media_type):
        self.client.get_blob_client(container, key).upload_blob(
            content, overwrite=True, content_settings=self.settings_of(media_type)
        )

    def get(self, container, key):
        found = self.client.get_blob_client(container, key).download_blob()
        told = found.properties
        return found.readall(), told.content_settings.content_type, told.content_settings.content_disposition, told.metadata


class Gcs:
    def __init__(self, settings):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        options = {"api_endpoint": settings["endpoint"]}
        self.client = storage.Client(project="test", credentials=AnonymousCredentials(), client_options=options)

    def put(self, container, key, content, media_type):
        self.client.bucket(container).blob(key).upload_from_string(content, content_type=media_type)

    def get(self, container, key):
        found = self.client.bucket(container).get_blob(key)
        return found.download_as_bytes(), found.content_type, found.content_disposition, found.metadata

    def readers(self, container, key):
        entries = self.client.bucket(container).blob(key).acl
        entries.reload()
        return [entry["entity"] for entry in entries if entry["role"] == "READER"]


class Swift:
    PREFIX = "x-object-meta-"

    def __init__(self, settings):
        from swiftclient.client import Connection

        self.client = Connection(settings["auth.url"], settings["auth.user"], settings["auth.key"], auth_version="1")

    def put(self, container, key, content, media_type):
        self.client.put_object(container, key, content, content_type=media_type)

    def get(self, container, key):
        headers, content = self.client.get_object(container, key)
        metadata = {name[len(self.PREFIX) :]: value for name, value in headers.items() if name.startswith(self.PREFIX)}
        return content, headers["content-type"], headers.get("content-disposition"), metadata


class Dropbox:
    """Containers are folders; there is no type, disposition or metadata."""

    def __init__(self, settings):
        host = settings["api_url"].removeprefix("http://")
        for name in ("DROPBOX_API_HOST", "DROPBOX_API_CONTENT_HOST", "DROPBOX_API_NOTIFY_HOST", "DROPBOX_WEB_HOST"):
            os.environ[name] = host
        import dropbox
        from requests.adapters import HTTPAdapter

        class Plain(HTTPAdapter):
            """The SDK speaks HTTPS only, the double HTTP."""

            def send(self, request, **options):
                request.url = request.url.replace("https://", "http://", 1)
                return super().send(request, **options)

        session = dropbox.create_session()
        session.mount("https://", Plain())
        grant = {name: settings[name] for name in ("app_key", "app_secret")}
        self.client = dropbox.Dropbox(oauth2_refresh_token=settings["refresh_token"], session=session, **grant)
        self.root = settings["root"]

    def put(self, container, key, content, media_type):
        self.client.files_upload(content, f"{self.root}/{container}/{key}")

    def get(self, container, key):
        _, response = self.client.files_download(f"{self.root}/{container}/{key}")
        return response.content, None, None, {}


CLIENTS = {"s3": S3, "azure": Azure, "gcs": Gcs, "swift": Swift, "dropbox": Dropbox}


def answer(client, question):
    place = question["container"], question["key"]
    match question["do"]:
        case "put":
            client.put(*place, base64.b64decode(question["content"]), question["media_type"])
            return {}
        case "get":
            content, media_type, disposition, metadata = client.get(*place)
            return {
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "media_type": media_type,
                "disposition": disposition,
                "metadata": metadata,
            }
        case "readers":
            return {"readers": client.readers(*place)}


def main():
    first = json.loads(sys.stdin.readline())
    client = CLIENTS[first["provider"]](first["settings"])
    for line in sys.stdin:
        try:
            told = answer(client, json.loads(line))
        except Exception as error:  # every failure is the asking test's
            told = {"error": repr(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
