//! Copies inside a store.

use bytes::Bytes;
use stowage_store::StoreError;

use super::{LARGE, png};
use crate::common::{Fixture, Gap, meta, pattern, read};

pub(super) async fn a_copy_is_an_object_of_its_own(fixture: Fixture) {
    let store = &*fixture.store;
    let large = if fixture.lacks(Gap::Multipart) { 1 << 20 } else { LARGE };
    for length in [0, 10_000, large] {
        let bytes = pattern(length);
        let from = fixture.put_at(&format!("from/{length}.bin"), &bytes).await;
        let copy = store.copy(&from, &fixture.key(&format!("to/{length}.bin")), &meta(None)).await.expect("a copy");
        assert_ne!(copy, from);
        store.delete(&from).await.expect("the original is removed");
        assert_eq!(store.stat(&copy).await.expect("the copy stays").size, length as u64);
        assert!(read(store, &copy, 0..length as u64).await.expect("readable") == bytes, "{length}");
    }
}

pub(super) async fn a_copy_has_its_own_facts(fixture: Fixture) {
    let store = &*fixture.store;
    let bytes = pattern(100);
    let from = fixture.put_at("plain.bin", &bytes).await;
    for path in ["first.png", "second.png"] {
        // The second is a copy with the same facts as its original has.
        let copy = store.copy(&from, &fixture.key(path), &png("inline")).await.expect("a copy");
        let copy = store.copy(&copy, &fixture.key(&format!("again {path}")), &png("inline")).await.expect("a copy");
        let stat = store.stat(&copy).await.expect("the copy is there");
        assert!(stat.media_type.is_none_or(|kept| kept == "image/png"));
        assert!(read(store, &copy, 0..100).await.expect("readable") == bytes);
    }
}

pub(super) async fn odd_keys_are_copied(fixture: Fixture) {
    let store = &*fixture.store;
    for path in fixture.odd_paths() {
        let content = Bytes::from(format!("content of {path}"));
        let from = fixture.put_at(path, &content).await;
        let copied = store.copy(&from, &fixture.key(&format!("copy of {path}")), &meta(None)).await;
        let copy = copied.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(read(store, &copy, 0..content.len() as u64).await.expect("readable"), content, "{path}");
    }
}

pub(super) async fn copying_what_is_missing_is_not_found(fixture: Fixture) {
    let copied = fixture.store.copy(&fixture.missing, &fixture.key("copy.bin"), &meta(None)).await;
    assert!(matches!(copied, Err(StoreError::NotFound)), "{copied:?}");
    fixture.becomes_empty().await;
}
