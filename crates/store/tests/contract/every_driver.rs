//! What every driver does, run against the local disk and against a real server of each kind.

mod copies;
mod direct;
mod listing;
mod parts;

use std::time::Duration;

use bytes::Bytes;
use stowage_core::media_type::MediaType;
use stowage_store::{ObjectMeta, StoreError};

use crate::common::{Fixture, Gap, meta, pattern, put_as, read, write};
use copies::*;
use direct::*;
use listing::*;
use parts::*;

/// Three parts.
const LARGE: usize = 17 << 20;

pub(crate) const ODD_PATHS: [&str; 10] = [
    "dir one/a b.txt",
    "ünïcode/日本語 🦀.txt",
    "plus+and&percent%25%.txt",
    "question?hash#.txt",
    "quotes'\"<>;=@:,$!*()[]{}|^~`.txt",
    "a..b/...c",
    "CASE.txt",
    "case.txt",
    "nfc-\u{e9}",
    "nfd-e\u{301}",
];

macro_rules! contract {
    ($($behaviour:ident),* $(,)?) => {
        each!(local, Local, $($behaviour),*);
        each!(s3, S3, $($behaviour),*);
        together!(dropbox, crate::dropbox::Dropbox, $($behaviour),*);
        together!(swift, crate::swift::Swift, $($behaviour),*);
        together!(moto, crate::moto::SecondS3, $($behaviour),*);
        together!(azure, crate::azure::Azure, $($behaviour),*);
        together!(gcs, crate::gcs::Gcs, $($behaviour),*);
    };
}

/// A test for each behaviour, for servers that start at once.
macro_rules! each {
    ($module:ident, $backend:ident, $($behaviour:ident),*) => {
        mod $module {
            use crate::common::{Backend, $backend};

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                if let Some(backend) = $backend::start().await {
                    super::$behaviour(backend.fixture().await).await;
                }
            })*
        }
    };
}

/// One test for all behaviours, for servers that take long to start; tells each one that failed.
macro_rules! together {
    ($test:ident, $backend:path, $($behaviour:ident),*) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            let Some(backend) = <$backend as crate::common::Backend>::start().await else {
                return;
            };
            let mut failed = Vec::new();
            $(
                let fixture = crate::common::Backend::fixture(&backend).await;
                eprintln!("== {}", stringify!($behaviour));
                if tokio::spawn($behaviour(fixture)).await.is_err() {
                    failed.push(stringify!($behaviour));
                }
            )*
            assert!(failed.is_empty(), "{failed:#?}");
        }
    };
}

contract![
    an_empty_object_is_an_object,
    a_small_object_reads_back,
    a_large_object_of_unknown_length_reads_back,
    a_large_object_of_known_length_reads_back,
    objects_about_a_batch_long_read_back,
    any_range_reads_back,
    odd_keys_are_kept_apart,
    objects_written_at_once_do_not_mix,
    an_aborted_object_leaves_nothing,
    a_dropped_object_leaves_nothing,
    an_object_dropped_during_a_write_leaves_nothing,
    deleting_twice_is_success,
    what_is_missing_is_not_found,
    a_check_leaves_nothing,
    stat_tells_what_was_stored,
    a_listing_holds_what_begins_with_the_prefix,
    a_long_listing_comes_in_pages,
    a_copy_is_an_object_of_its_own,
    a_copy_has_its_own_facts,
    odd_keys_are_copied,
    copying_what_is_missing_is_not_found,
    anybody_may_get_a_presigned_object,
    anybody_may_put_a_presigned_object,
    a_changed_or_expired_presigned_request_is_refused,
    the_provider_keeps_the_facts_of_an_object,
    parts_in_any_order_make_an_object_over_restarts,
    a_part_that_comes_again_replaces_the_first,
    a_wrong_part_is_refused_and_the_good_one_stays,
    an_empty_part_makes_an_empty_object,
    an_aborted_upload_leaves_nothing,
    uploads_to_one_key_do_not_mix,
    anybody_may_put_a_presigned_part,
    a_missing_part_makes_no_object,
];

async fn assert_round_trip(fixture: &Fixture, bytes: Bytes, length: Option<u64>) {
    let store = &*fixture.store;
    let size = bytes.len() as u64;
    let id = put_as(store, &fixture.key(""), &meta(length), &bytes).await.expect("the object is stored");
    assert_eq!(store.stat(&id).await.expect("the object is there").size, size);
    let back = read(store, &id, 0..size).await.expect("the object is readable");
    assert!(back == bytes, "{size} bytes came back as {} other ones", back.len());
}

async fn an_empty_object_is_an_object(fixture: Fixture) {
    assert_round_trip(&fixture, Bytes::new(), None).await;
    assert_round_trip(&fixture, Bytes::new(), Some(0)).await;
}

async fn a_small_object_reads_back(fixture: Fixture) {
    assert_round_trip(&fixture, pattern(1), None).await;
    assert_round_trip(&fixture, pattern(10_000), Some(10_000)).await;
}

async fn a_large_object_of_unknown_length_reads_back(fixture: Fixture) {
    if fixture.lacks(Gap::Multipart) {
        return;
    }
    assert_round_trip(&fixture, pattern(LARGE), None).await;
}

async fn a_large_object_of_known_length_reads_back(fixture: Fixture) {
    if fixture.lacks(Gap::Multipart) {
        return;
    }
    assert_round_trip(&fixture, pattern(LARGE), Some(LARGE as u64)).await;
}

async fn objects_about_a_batch_long_read_back(fixture: Fixture) {
    for edge in [64 << 10, 1 << 20, 8 << 20] {
        for length in [edge - 1, edge, edge + 1] {
            if length > 8 << 20 && fixture.lacks(Gap::Multipart) {
                continue;
            }
            assert_round_trip(&fixture, pattern(length), None).await;
        }
    }
}

async fn any_range_reads_back(fixture: Fixture) {
    let store = &*fixture.store;
    let bytes = pattern(300_000);
    let id = fixture.put_at("", &bytes).await;
    for range in [0..1, 299_999..300_000, 0..300_000, 100_000..100_010, 1..200_001, 0..65_536, 0..65_537, 5..5] {
        let back = read(store, &id, range.clone()).await.expect("the range is readable");
        let expected = &bytes[range.start as usize..range.end as usize];
        assert!(back == expected, "{range:?}");
    }
}

async fn odd_keys_are_kept_apart(fixture: Fixture) {
    let store = &*fixture.store;
    let mut ids = Vec::new();
    for path in fixture.odd_paths() {
        ids.push(fixture.put_at(path, &Bytes::from(format!("content of {path}"))).await);
    }
    for (path, id) in fixture.odd_paths().iter().zip(&ids) {
        let expected = format!("content of {path}");
        let back = read(store, id, 0..expected.len() as u64).await;
        assert_eq!(back.unwrap_or_else(|error| panic!("{path}: {error}")), expected);
    }
}

async fn objects_written_at_once_do_not_mix(fixture: Fixture) {
    let tasks: Vec<_> = (0..16_usize)
        .map(|number| {
            let store = fixture.store.clone();
            let key = fixture.key("");
            tokio::spawn(async move {
                let bytes = pattern(200_000 + number).slice(number..);
                let id = put_as(&*store, &key, &meta(None), &bytes).await.expect("the object is stored");
                (id, bytes)
            })
        })
        .collect();
    for task in tasks {
        let (id, bytes) = task.await.expect("the task ends well");
        let back = read(&*fixture.store, &id, 0..bytes.len() as u64).await;
        assert!(back.expect("the object is readable") == bytes);
    }
}

async fn an_aborted_object_leaves_nothing(fixture: Fixture) {
    let large = if fixture.lacks(Gap::Multipart) { 100_000 } else { LARGE };
    for length in [0, 10_000, large] {
        let mut writer = fixture.store.create(&fixture.key("a.bin"), &meta(None)).await.expect("a writer");
        write(&mut *writer, &pattern(length)).await.expect("the bytes are taken");
        writer.abort().await;
        fixture.becomes_empty().await;
    }
}

async fn a_dropped_object_leaves_nothing(fixture: Fixture) {
    let large = if fixture.lacks(Gap::Multipart) { 100_000 } else { LARGE };
    for length in [0, 10_000, large] {
        let mut writer = fixture.store.create(&fixture.key("a.bin"), &meta(None)).await.expect("a writer");
        write(&mut *writer, &pattern(length)).await.expect("the bytes are taken");
        drop(writer);
        fixture.becomes_empty().await;
    }
}

async fn an_object_dropped_during_a_write_leaves_nothing(fixture: Fixture) {
    if fixture.lacks(Gap::Multipart) {
        return;
    }
    for milliseconds in [0, 1, 5, 20] {
        let mut writer = fixture.store.create(&fixture.key("a.bin"), &meta(None)).await.expect("a writer");
        let bytes = pattern(LARGE);
        let writing = write(&mut *writer, &bytes);
        // Whether the time is enough or not, the writer goes away uncommitted.
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), writing).await;
        drop(writer);
        fixture.becomes_empty().await;
    }
}

async fn deleting_twice_is_success(fixture: Fixture) {
    let store = &*fixture.store;
    let id = fixture.put_at("", &pattern(100)).await;
    store.delete(&id).await.expect("the object is removed");
    store.delete(&id).await.expect("a missing object is removed");
    assert!(matches!(store.stat(&id).await, Err(StoreError::NotFound)));
    assert!(matches!(read(store, &id, 0..100).await, Err(StoreError::NotFound)));
    fixture.becomes_empty().await;
}

async fn what_is_missing_is_not_found(fixture: Fixture) {
    let (store, id) = (&*fixture.store, &fixture.missing);
    for range in [0..0, 0..10, 0..100_000] {
        let opened = read(store, id, range).await;
        assert!(matches!(opened, Err(StoreError::NotFound)), "{opened:?}");
    }
    let stat = store.stat(id).await;
    assert!(matches!(stat, Err(StoreError::NotFound)), "{stat:?}");
    store.delete(id).await.expect("a missing object is removed");
}

async fn a_check_leaves_nothing(fixture: Fixture) {
    fixture.store.check().await.expect("the store works");
    fixture.becomes_empty().await;
}

fn png(disposition: &str) -> ObjectMeta {
    ObjectMeta {
        media_type: MediaType::parse("image/png").expect("a media type"),
        disposition: Some(disposition.to_owned()),
        user_metadata: vec![("colour".to_owned(), "dark blue".to_owned())],
        ..meta(None)
    }
}

async fn stat_tells_what_was_stored(fixture: Fixture) {
    let store = &*fixture.store;
    let key = fixture.key("fact.png");
    let first = put_as(store, &key, &png("inline"), &pattern(1000)).await.expect("stored");
    let stat = store.stat(&first).await.expect("the object is there");
    assert_eq!(stat.size, 1000);
    assert_eq!(stat.modified.is_some(), fixture.remote.is_some(), "providers tell when it was written");
    assert!(stat.media_type.is_none_or(|kept| kept == "image/png"));
    assert_eq!(store.stat(&first).await.expect("still there").etag, stat.etag, "the mark is of the content");
    let other = put_as(store, &key, &png("inline"), &pattern(1001)).await.expect("stored");
    let changed = store.stat(&other).await.expect("the object is there");
    assert_eq!(changed.size, 1001);
    assert!(stat.etag.is_none() || changed.etag != stat.etag, "{:?}", changed.etag);
}
