//! What every driver does, run against the local disk and against a real S3 server.

use std::time::Duration;

use bytes::Bytes;
use stowage_store::StoreError;

use crate::common::{Fixture, key, meta, pattern, put, put_as, read, write};

const LARGE: usize = 20 << 20;

macro_rules! contract {
    ($($behaviour:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(super::Fixture::local().await).await;
            })*
        }
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                super::$behaviour(super::Fixture::s3().await).await;
            })*
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
];

async fn assert_round_trip(fixture: &Fixture, bytes: Bytes, length: Option<u64>) {
    let store = &*fixture.store;
    let size = bytes.len() as u64;
    let id = put_as(store, &key(""), &meta(length), &bytes).await.expect("the object is stored");
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
    assert_round_trip(&fixture, pattern(LARGE), None).await;
}

async fn a_large_object_of_known_length_reads_back(fixture: Fixture) {
    assert_round_trip(&fixture, pattern(LARGE), Some(LARGE as u64)).await;
}

async fn objects_about_a_batch_long_read_back(fixture: Fixture) {
    for edge in [64 << 10, 1 << 20, 8 << 20] {
        for length in [edge - 1, edge, edge + 1] {
            assert_round_trip(&fixture, pattern(length), None).await;
        }
    }
}

async fn any_range_reads_back(fixture: Fixture) {
    let store = &*fixture.store;
    let bytes = pattern(300_000);
    let id = put(store, &bytes).await;
    for range in [0..1, 299_999..300_000, 0..300_000, 100_000..100_010, 1..200_001, 0..65_536, 0..65_537, 5..5] {
        let back = read(store, &id, range.clone()).await.expect("the range is readable");
        let expected = &bytes[range.start as usize..range.end as usize];
        assert!(back == expected, "{range:?}");
    }
}

async fn odd_keys_are_kept_apart(fixture: Fixture) {
    let store = &*fixture.store;
    let paths = [
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
    let mut ids = Vec::new();
    for path in paths {
        let content = Bytes::from(format!("content of {path}"));
        let stored = put_as(store, &key(path), &meta(None), &content).await;
        ids.push(stored.unwrap_or_else(|error| panic!("{path}: {error}")));
    }
    for (path, id) in paths.iter().zip(&ids) {
        let expected = format!("content of {path}");
        let back = read(store, id, 0..expected.len() as u64).await;
        assert_eq!(back.unwrap_or_else(|error| panic!("{path}: {error}")), expected);
    }
}

async fn objects_written_at_once_do_not_mix(fixture: Fixture) {
    let tasks: Vec<_> = (0..16_usize)
        .map(|number| {
            let store = fixture.store.clone();
            tokio::spawn(async move {
                let bytes = pattern(200_000 + number).slice(number..);
                let id = put(&*store, &bytes).await;
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
    for length in [0, 10_000, LARGE] {
        let mut writer = fixture.store.create(&key("a.bin"), &meta(None)).await.expect("a writer");
        write(&mut *writer, &pattern(length)).await.expect("the bytes are taken");
        writer.abort().await;
        fixture.becomes_empty().await;
    }
}

async fn a_dropped_object_leaves_nothing(fixture: Fixture) {
    for length in [0, 10_000, LARGE] {
        let mut writer = fixture.store.create(&key("a.bin"), &meta(None)).await.expect("a writer");
        write(&mut *writer, &pattern(length)).await.expect("the bytes are taken");
        drop(writer);
        fixture.becomes_empty().await;
    }
}

async fn an_object_dropped_during_a_write_leaves_nothing(fixture: Fixture) {
    for milliseconds in [0, 1, 5, 20] {
        let mut writer = fixture.store.create(&key("a.bin"), &meta(None)).await.expect("a writer");
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
    let id = put(store, &pattern(100)).await;
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
