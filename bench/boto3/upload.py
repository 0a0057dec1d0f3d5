"""Uploads a file with boto3 as it comes, multipart and in threads, and prints the seconds.

usage: upload.py ENDPOINT BUCKET KEY FILE
"""

import sys
import time

import boto3

endpoint, bucket, key, path = sys.argv[1:]
client = boto3.client(
    "s3",
    endpoint_url=endpoint,
    aws_access_key_id="stowage-test",
    aws_secret_access_key="stowage-test-secret",
    region_name="us-east-1",
)
# The first request of a client loads what it knows of the service; an upload should not pay for it.
client.head_bucket(Bucket=bucket)
began = time.perf_counter()
client.upload_file(path, bucket, key)
print(time.perf_counter() - began)
