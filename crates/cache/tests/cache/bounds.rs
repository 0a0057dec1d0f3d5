//! Bytes are bounded, and owners do not drive each other out.

use std::fs;

use stowage_cache::{Body, Made, MadeBody, Settings};

use crate::support::{Bench, content, id, made, small};

/// 16 files of one block.
fn sixteen_blocks() -> Settings {
    Settings { disk_bytes: 16 * 4096, disk_entries: 1_000, memory_bytes: 0, memory_body: 100, owner_share: 0.5 }
}

#[tokio::test]
async fn an_owner_that_floods_drives_out_its_own() {
    let bench = Bench::new();
    let cache = bench.open(sixteen_blocks());
    for number in 0..16 {
        cache.put(id(1, number), &[], made(vec![1; 2_000])).await.expect("kept");
    }
    assert_eq!(bench.files().len(), 16, "there is room for all of a single owner");
    for number in 0..8 {
        cache.put(id(2, number), &[], made(vec![2; 2_000])).await.expect("kept");
    }
    for number in 100..200 {
        cache.put(id(1, number), &[], made(vec![1; 2_000])).await.expect("kept");
        assert!(bench.files().len() <= 16);
    }
    for number in 0..8 {
        assert!(cache.get(id(2, number)).await.is_some(), "entry {number} of the quiet owner");
    }
    for number in 192..200 {
        assert!(cache.get(id(1, number)).await.is_some(), "the newest of the other one");
    }
    assert_eq!((cache.figures().disk_entries, cache.figures().disk_evictions), (16, 108));
}

#[tokio::test]
async fn what_is_used_stays_even_if_it_is_used_in_memory() {
    let bench = Bench::new();
    let cache = bench.open(Settings { memory_bytes: 1 << 20, memory_body: 4_000, ..sixteen_blocks() });
    for number in 0..200 {
        cache.put(id(1, number), &[], made(vec![1; 2_000])).await.expect("kept");
        assert!(cache.get(id(1, 0)).await.is_some());
    }
    drop(cache);
    let cache = bench.open(sixteen_blocks());
    cache.loaded().await;
    assert!(cache.get(id(1, 0)).await.is_some());
    assert!(cache.get(id(1, 1)).await.is_none());
}

#[tokio::test]
async fn a_smaller_bound_holds_from_the_next_start_on() {
    let bench = Bench::new();
    let cache = bench.open(small());
    for number in 0..100 {
        cache.put(id(i64::from(number % 3), number), &[], made(vec![1; 2_000])).await.expect("kept");
    }
    drop(cache);
    let cache = bench.open(sixteen_blocks());
    cache.loaded().await;
    assert_eq!((bench.files().len(), cache.figures().disk_bytes), (16, 16 * 4096));
}

#[tokio::test]
async fn the_bound_holds_before_earlier_entries_are_loaded() {
    let bench = Bench::new();
    let cache = bench.open(sixteen_blocks());
    for number in 0..16 {
        cache.put(id(1, number), &[], made(vec![1; 2_000])).await.expect("kept");
    }
    drop(cache);
    let cache = bench.open(sixteen_blocks());
    for number in 100..200 {
        let entry = cache.put(id(2, number), &[], made(vec![2; 2_000])).await.expect("a result");
        assert_eq!(content(&entry), [2; 2_000]);
        assert!(bench.files().len() <= 16, "at entry {number}");
    }
    cache.loaded().await;
    cache.put(id(2, 200), &[], made("new")).await.expect("kept");
    assert!(cache.get(id(2, 200)).await.is_some());
    assert_eq!((bench.files().len(), cache.figures().disk_entries), (16, 16), "all of the room is used again");
}

#[tokio::test]
async fn the_number_of_entries_and_of_tags_is_bounded() {
    let bench = Bench::new();
    let cache = bench.open(Settings { disk_entries: 10, ..small() });
    for number in 0..50 {
        cache.put(id(i64::from(number), number), &[], made("x")).await.expect("kept");
    }
    assert_eq!(bench.files().len(), 10 - usize::from((1 << 20) % 10 != 0));
    let many: Vec<_> = (0..100).map(|number: u32| stowage_cache::Tag::new(&number.to_string())).collect();
    let entry = cache.put(id(1, 100), &many, made("tagged")).await.expect("a result");
    assert_eq!(content(&entry), b"tagged");
    let before = cache.figures().disk_entries;
    cache.put(id(1, 101), &[], made("x")).await.expect("kept");
    assert!(cache.figures().disk_entries >= before, "so many tags cost more than all entries together: {before}");
}

#[tokio::test]
async fn what_does_not_fit_is_answered_and_not_kept() {
    let bench = Bench::new();
    let cache = bench.open(sixteen_blocks());
    cache.put(id(2, 2), &[], made(vec![2; 2_000])).await.expect("kept");
    cache.put(id(1, 1), &[], made("older")).await.expect("kept");
    let mut draft = cache.draft().await.expect("a draft");
    fs::write(draft.path(), vec![7; 100_000]).expect("written");
    let entry = cache.put(id(1, 1), &[], Made { body: MadeBody::File(draft), ..made("") }).await.expect("a result");
    assert!(bench.drafts().is_empty());
    assert!(matches!(&entry.body, Body::File(_)));
    assert_eq!(content(&entry), vec![7; 100_000]);
    assert!(cache.get(id(1, 1)).await.is_none(), "the older version is not right any more");
    assert!(cache.get(id(2, 2)).await.is_some());
}

#[tokio::test]
async fn without_a_disk_there_is_memory_and_without_memory_a_disk() {
    let bench = Bench::new();
    let cache = bench.open(Settings { disk_bytes: 0, ..small() });
    cache.put(id(1, 1), &[], made("a")).await.expect("kept");
    cache.put(id(1, 2), &[], made(vec![1; 2_000])).await.expect("a result");
    assert!(bench.files().is_empty());
    assert!(cache.get(id(1, 1)).await.is_some() && cache.get(id(1, 2)).await.is_none());
    drop(cache);
    let cache = bench.open(Settings { memory_bytes: 0, ..small() });
    cache.put(id(1, 1), &[], made("a")).await.expect("kept");
    assert!(cache.get(id(1, 1)).await.is_some());
    let figures = cache.figures();
    assert_eq!((figures.memory_entries, figures.memory_bytes, figures.disk_hits, figures.memory_hits), (0, 0, 1, 0));
}
