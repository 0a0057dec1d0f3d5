//! Swift stores whose provider answers wrongly.

use stowage_store::{BlobStore, ObjectId, StoreError, swift::SwiftStore};
use stowage_testkit::{Origin, Reply};

use super::{settings_with, store, v1};
use crate::common::{BUCKET, install_tls_provider, key, meta, pattern, put_as, read};

/// A provider that answers everything but the authentication in one way.
async fn hostile(line: &'static str, body: &'static str) -> (Origin, SwiftStore) {
    install_tls_provider();
    let origin = Origin::start("127.0.0.1", move |request| -> Reply {
        if request.target == "/auth" {
            let host = request.header("host").expect("a host");
            let head = format!("X-Auth-Token: t\r\nX-Storage-Url: http://{host}/v1/a");
            return format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into();
        }
        format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into()
    })
    .await;
    let store = store(settings_with(v1(&origin.url("/auth"), "user", "key")));
    (origin, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_failures_are_repeated_and_named() {
    let id = ObjectId::from_catalogue(format!("{BUCKET}/a.bin"));
    for (line, expected) in [
        ("503 Service Unavailable", "unavailable"),
        ("498 Rate Limited", "throttling"),
        ("429 Too Many Requests", "throttling"),
        ("507 Insufficient Storage", "full"),
    ] {
        let (origin, store) = hostile(line, "").await;
        let error = store.stat(&id).await.expect_err(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
        let asked = origin.received().len() - 1;
        assert_eq!(asked > 1, expected != "full", "{line}: asked {asked} times");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_another_checksum_is_not_acknowledged() {
    let (_origin, store) = hostile("201 Created\r\nETag: 00000000000000000000000000000000", "").await;
    let stored = put_as(&store, &key(""), &meta(None), &pattern(10)).await;
    assert!(matches!(stored, Err(StoreError::Corrupt(_))), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_length_is_no_object() {
    let (_origin, store) = hostile("206 Partial Content", "short").await;
    let id = ObjectId::from_catalogue(format!("{BUCKET}/a.bin"));
    for length in [3, 10] {
        let result = read(&store, &id, 0..length).await;
        assert!(matches!(result, Err(StoreError::Corrupt(_))), "{length}: {result:?}");
    }
    let (_origin, store) = hostile("200 OK", "whole").await;
    let result = read(&store, &id, 1..3).await;
    assert!(matches!(result, Err(StoreError::Corrupt(_))), "{result:?}");
}
