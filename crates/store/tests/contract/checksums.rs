//! Every byte of an object travels with a checksum, and a provider that tells another one stores nothing.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use md5::{Digest, Md5};
use stowage_store::{
    BlobStore, ObjectMeta, StoreError,
    object::{AzureConfig, GcsConfig, ObjectStore, S3Config, S3Encryption},
    secret::Secret,
};

use crate::{
    common::{BUCKET, key, meta, pattern, put_as, s3_config_at},
    double::{Answer, Asked, Double},
};

const SMALL: usize = 1000;
/// Three parts.
pub(crate) const LARGE: usize = 20 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Azure,
    Gcs,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::S3, Kind::Azure, Kind::Gcs];

pub(crate) fn store(kind: Kind, endpoint: &str) -> ObjectStore {
    match kind {
        Kind::S3 => ObjectStore::s3(s3_config_at(endpoint.to_owned(), "id", "secret")),
        Kind::Azure => ObjectStore::azure(AzureConfig {
            container: BUCKET.to_owned(),
            allowed_containers: Vec::new(),
            account: Some("account".to_owned()),
            account_key: Some(Secret::new("a2V5")),
            sas_token: None,
            connection_string: None,
            endpoint: Some(endpoint.to_owned()),
        }),
        Kind::Gcs => ObjectStore::gcs(GcsConfig {
            bucket: BUCKET.to_owned(),
            allowed_buckets: Vec::new(),
            endpoint: Some(endpoint.to_owned()),
            service_account: None,
        }),
    }
    .expect("good settings")
}

/// Whether a request brings bytes of the object.
pub(crate) fn brings_bytes(asked: &Asked) -> bool {
    asked.target.starts_with("/upload/") || (asked.method == "PUT" && !asked.target.contains("comp=blocklist"))
}

/// The bytes of the object in a request: all of the body, or the second part of Google's description and content.
pub(crate) fn bytes_of(asked: &Asked) -> Bytes {
    if !asked.target.starts_with("/upload/") {
        return asked.body.clone();
    }
    let find = |from: usize, needle: &[u8]| {
        let at = asked.body[from..].windows(needle.len()).position(|window| window == needle);
        from + at.expect("a multipart body")
    };
    let description = find(0, b"\r\n\r\n") + 4;
    let start = find(description, b"\r\n\r\n") + 4;
    let boundary = &asked.body[..find(0, b"\r\n")];
    let end = find(start, &[b"\r\n", boundary].concat());
    asked.body.slice(start..end)
}

/// What each provider answers when it has received the bytes that `received` stands for.
pub(crate) fn answer(kind: Kind, asked: &Asked, received: &[u8]) -> Answer {
    let digest = Md5::digest(received);
    let (hex, base64) = (hex::encode(digest), BASE64_STANDARD.encode(digest));
    let xml = |body: &str| Answer { status: "200 OK", body: body.to_owned(), ..Answer::default() };
    match (kind, asked.method.as_str()) {
        (_, "POST") if asked.target.ends_with("?uploads") => {
            xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        }
        (_, "POST") if asked.target.contains("uploadId=") => {
            let mut done = xml("<CompleteMultipartUploadResult><ETag>\"x-3\"</ETag></CompleteMultipartUploadResult>");
            done.headers = vec![("etag", "\"x-3\"".to_owned())];
            done
        }
        (Kind::Gcs, "POST") => Answer {
            status: "200 OK",
            body: format!(
                r#"{{"name":"a","size":"{}","md5Hash":"{base64}","etag":"e","updated":"2026-01-01T00:00:00Z","contentType":"a/b"}}"#,
                received.len()
            ),
            headers: vec![("content-type", "application/json".to_owned())],
        },
        (Kind::S3, "PUT") => {
            Answer { status: "200 OK", headers: vec![("etag", format!("\"{hex}\""))], ..Answer::default() }
        }
        (Kind::Azure, "PUT") => {
            let headers = vec![("etag", "\"0x1\"".to_owned()), ("content-md5", base64)];
            Answer { status: "201 Created", headers, ..Answer::default() }
        }
        (Kind::Gcs, "PUT") => {
            let headers = vec![("etag", "\"p\"".to_owned()), ("x-goog-hash", format!("crc32c=AAAAAA==,md5={base64}"))];
            Answer { status: "200 OK", headers, ..Answer::default() }
        }
        (Kind::Azure, "DELETE") => Answer::status("202 Accepted"),
        (_, "DELETE") => Answer::status("204 No Content"),
        _ => Answer::status("400 Bad Request"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_confirms_is_stored_with_its_disposition() {
    for kind in KINDS {
        for length in [SMALL, LARGE] {
            let double = Double::start(move |asked| answer(kind, asked, &bytes_of(asked))).await;
            let facts = ObjectMeta { disposition: Some("attachment; filename=a".to_owned()), ..meta(None) };
            let stored = put_as(&store(kind, &double.endpoint), &key("a.bin"), &facts, &pattern(length)).await;
            stored.unwrap_or_else(|error| panic!("{kind:?} {length}: {error}"));

            let asked = double.asked();
            let sent: Vec<_> = asked.iter().filter(|asked| brings_bytes(asked)).collect();
            let total: usize = sent.iter().map(|asked| bytes_of(asked).len()).sum();
            assert_eq!(total, length, "{kind:?}");
            for asked in sent.iter().filter(|asked| asked.method == "PUT") {
                let digest = BASE64_STANDARD.encode(Md5::digest(&asked.body));
                assert_eq!(asked.header("content-md5"), Some(digest.as_str()), "{kind:?} {}", asked.target);
            }
            let dispositions = asked.iter().filter(|asked| {
                let description = &asked.body[..asked.body.len().min(500)];
                ["content-disposition", "x-ms-blob-content-disposition"]
                    .iter()
                    .any(|name| asked.header(name) == Some("attachment; filename=a"))
                    || String::from_utf8_lossy(description)
                        .contains(r#"{"contentDisposition":"attachment; filename=a","contentType""#)
            });
            assert_eq!(dispositions.count(), 1, "{kind:?} {length}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_with_other_bytes_stores_nothing() {
    for kind in KINDS {
        for length in [SMALL, LARGE] {
            // The last bytes of the object arrive changed; with parts, those before are right.
            let tail = pattern(length).slice(length - 100..);
            let double = Double::start(move |asked| {
                let mut received = bytes_of(asked).to_vec();
                if received.ends_with(&tail) {
                    received[0] ^= 1;
                }
                answer(kind, asked, &received)
            })
            .await;
            let stored = put_as(&store(kind, &double.endpoint), &key("a.bin"), &meta(None), &pattern(length)).await;
            assert!(matches!(stored, Err(StoreError::Corrupt(_))), "{kind:?} {length}: {stored:?}");
            let asked = double.asked();
            let finished = |asked: &Asked| asked.method == "POST" && asked.target.contains("uploadId=");
            assert!(!asked.iter().any(finished), "{kind:?}: the parts are not put together");
            assert!(!asked.iter().any(|asked| asked.target.contains("comp=blocklist")), "{kind:?}");
            let removed = asked.iter().any(|asked| asked.method == "DELETE" && !asked.target.contains("uploadId="));
            assert!(removed, "{kind:?} {length}: the object is removed");
            if length == LARGE && kind != Kind::Azure {
                let aborted = asked.iter().any(|asked| asked.method == "DELETE" && asked.target.contains("uploadId="));
                assert!(aborted, "{kind:?}: the parts are given back");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_the_checksum_stores_nothing() {
    for (kind, body) in [
        (Kind::S3, "<Error><Code>BadDigest</Code><Message>no</Message></Error>"),
        (Kind::Azure, "<Error><Code>Md5Mismatch</Code><Message>no</Message></Error>"),
    ] {
        let double = Double::start(move |asked| match asked.method.as_str() {
            "DELETE" => answer(kind, asked, b""),
            _ => Answer { status: "400 Bad Request", body: body.to_owned(), ..Answer::default() },
        })
        .await;
        let stored = put_as(&store(kind, &double.endpoint), &key("a.bin"), &meta(None), &pattern(10)).await;
        assert!(matches!(stored, Err(StoreError::Corrupt(_))), "{kind:?}: {stored:?}");
    }
}

/// Other ETags than an MD5 are no sign of corruption.
#[tokio::test(flavor = "multi_thread")]
async fn etags_of_encrypted_objects_are_no_checksums() {
    let encrypted = |asked: &Asked| {
        let mut other = answer(Kind::S3, asked, b"an ETag that is no MD5 of the content");
        other.headers.push(("x-amz-server-side-encryption", "aws:kms".to_owned()));
        other
    };
    let double = Double::start(encrypted).await;
    let config = S3Config {
        session_token: Some(Secret::new("token of a session")),
        server_side_encryption: Some(S3Encryption::Kms),
        kms_key_id: Some("arn:key".to_owned()),
        ..s3_config_at(double.endpoint.clone(), "id", "secret")
    };
    let store = ObjectStore::s3(config).expect("good settings").in_region("eu-north-1").expect("a region");
    put_as(&*store, &key("a.bin"), &meta(None), &pattern(10)).await.expect("stored");
    let put = &double.asked()[0];
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("aws:kms"));
    assert_eq!(put.header("x-amz-server-side-encryption-aws-kms-key-id"), Some("arn:key"));
    assert_eq!(put.header("x-amz-security-token"), Some("token of a session"));
    let signature = put.header("authorization").expect("a signature");
    assert!(signature.contains("/eu-north-1/s3/"), "{signature}");
}
