//! Presigned requests, and what the provider itself keeps.

use std::time::Duration;

use bytes::Bytes;
use stowage_store::{PresignedRequest, StoreError};

use super::{LARGE, png};
use crate::common::{AN_HOUR, Fixture, Gap, meta, pattern, put_as, read};

/// Makes a presigned request as somebody without credentials.
pub(super) async fn direct(method: reqwest::Method, request: &PresignedRequest, body: Bytes) -> reqwest::Response {
    let mut builder = reqwest::Client::new().request(method, &request.url).body(body);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder.send().await.expect("an answer")
}

pub(super) async fn anybody_may_get_a_presigned_object(fixture: Fixture) {
    let store = &*fixture.store;
    if !store.capabilities().presign {
        let id = fixture.put_at("a.bin", &Bytes::new()).await;
        let presigned = store.presign_get(&id, AN_HOUR).await;
        assert!(matches!(presigned, Err(StoreError::Unsupported(_))), "{presigned:?}");
        return;
    }
    for path in fixture.odd_paths() {
        let content = Bytes::from(format!("content of {path}"));
        let id = fixture.put_at(path, &content).await;
        let request = store.presign_get(&id, AN_HOUR).await.expect("a request");
        let answer = direct(reqwest::Method::GET, &request, Bytes::new()).await;
        assert_eq!(answer.status(), 200, "{path}: {}", request.url);
        assert_eq!(answer.bytes().await.expect("a body"), content, "{path}");
    }
}

pub(super) async fn anybody_may_put_a_presigned_object(fixture: Fixture) {
    let store = &*fixture.store;
    if !store.capabilities().presign {
        let presigned = store.presign_put(&fixture.key("a.bin"), &meta(None), AN_HOUR).await;
        assert!(matches!(presigned, Err(StoreError::Unsupported(_))), "{presigned:?}");
        return;
    }
    if fixture.lacks(Gap::PresignedPut) {
        return;
    }
    for path in fixture.odd_paths() {
        let key = fixture.key(path);
        let content = Bytes::from(format!("content of {path}"));
        let request = store.presign_put(&key, &png("inline"), AN_HOUR).await.expect("a request");
        let answer = direct(reqwest::Method::PUT, &request, content.clone()).await;
        assert!(answer.status().is_success(), "{path}: {} {}", answer.status(), request.url);
        let id = store.planned_id(&key).expect("a driver that presigns names its objects");
        assert_eq!(read(store, &id, 0..content.len() as u64).await.expect("readable"), content, "{path}");
        let kept = store.stat(&id).await.expect("the object is there").media_type;
        assert!(kept.is_none_or(|kept| kept == "image/png"), "{path}");
    }
}

pub(super) async fn a_changed_or_expired_presigned_request_is_refused(fixture: Fixture) {
    let store = &*fixture.store;
    if !store.capabilities().presign || fixture.lacks(Gap::Signatures) {
        return;
    }
    let id = fixture.put_at("ours.bin", &pattern(10)).await;
    fixture.put_at("other.bin", &pattern(10)).await;
    let request = store.presign_get(&id, AN_HOUR).await.expect("a request");
    let other = PresignedRequest { url: request.url.replace("ours.bin", "other.bin"), ..request.clone() };
    let answer = direct(reqwest::Method::GET, &other, Bytes::new()).await;
    assert!(answer.status().is_client_error(), "another object: {}", answer.status());
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE] {
        let answer = direct(method.clone(), &request, Bytes::new()).await;
        assert!(answer.status().is_client_error(), "{method} with the permission to GET: {}", answer.status());
    }
    assert_eq!(store.stat(&id).await.expect("still there").size, 10);
    let request = store.presign_get(&id, Duration::from_secs(1)).await.expect("a request");
    let refused = async {
        while direct(reqwest::Method::GET, &request, Bytes::new()).await.status().is_success() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("the request expires");
}

pub(super) async fn the_provider_keeps_the_facts_of_an_object(fixture: Fixture) {
    const DISPOSITION: &str = "attachment; filename=\"a b.png\"";
    let store = &*fixture.store;
    if !store.capabilities().presign || fixture.lacks(Gap::DirectHeaders) {
        return;
    }
    let large = if fixture.lacks(Gap::Multipart) { 1 << 20 } else { LARGE };
    for (path, length) in [("small.png", 100), ("large.png", large)] {
        let id = put_as(store, &fixture.key(path), &png(DISPOSITION), &pattern(length)).await.expect("stored");
        let copy = store.copy(&id, &fixture.key(&format!("copy of {path}")), &png(DISPOSITION)).await.expect("a copy");
        for id in [id, copy] {
            let request = store.presign_get(&id, AN_HOUR).await.expect("a request");
            let answer = direct(reqwest::Method::GET, &request, Bytes::new()).await;
            let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
            assert_eq!(header("content-type").as_deref(), Some("image/png"), "{id:?}");
            assert_eq!(header("content-disposition").as_deref(), Some(DISPOSITION), "{id:?}");
            let colour = header(&format!("{}colour", fixture.metadata_prefix));
            assert_eq!(colour.as_deref(), Some("dark blue"), "{id:?}");
        }
    }
}
