//! What comes back after a restart, and what does not.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    time::Duration,
};

use bytes::Bytes;
use stowage_cache::{Body, Freshness, Made, MadeBody, Meta, OpenError, Owner, Settings, Tag};

use crate::support::{Bench, Refused, content, id, made, small};

#[tokio::test]
async fn entries_survive_with_all_they_carry() {
    let bench = Bench::new();
    let cache = bench.open(small());
    let meta = Meta {
        media_type: "image/png".to_owned(),
        file_name: Some("Grüße \"1\".png".to_owned()),
        etag: Some("\"abc\"".to_owned()),
        data: serde_json::json!({ "width": 3, "pages": [1, 2] }),
    };
    let freshness = Freshness::fresh_for(Duration::from_secs(100)).stale_for(Duration::from_secs(100));
    let body = MadeBody::Memory(Bytes::from_static(b"picture"));
    let first = cache.put(id(-1, 1), &[], Made { meta, body, freshness }).await.expect("kept");
    cache.put(id(1, 2), &[Tag::new("t")], made(vec![2; 100_000])).await.expect("kept");
    cache.put(id(1, 3), &[], made("")).await.expect("kept");
    cache
        .put(id(1, 4), &[], Made { freshness: Freshness::fresh_for(Duration::from_secs(5)), ..made("d") })
        .await
        .expect("kept");
    let bytes = cache.figures().disk_bytes;
    assert!(matches!(bench.try_open(small()), Err(OpenError::InUse { .. })));
    drop(cache);

    bench.pass(5);
    let cache = bench.open(small());
    // Asked for before everything is loaded.
    let again = cache.get(id(-1, 1)).await.expect("an entry");
    assert_eq!((&again.meta, content(&again).as_slice()), (&first.meta, b"picture".as_slice()));
    assert_eq!((again.made(), again.fresh_until()), (first.made(), first.fresh_until()));
    cache.loaded().await;
    let large = cache.get(id(1, 2)).await.expect("an entry");
    assert!(matches!(&large.body, Body::File(file) if file.length() == 100_000));
    assert_eq!(content(&large), [2; 100_000]);
    assert_eq!(content(&cache.get(id(1, 3)).await.expect("an entry")), b"");
    assert!(cache.get(id(1, 4)).await.is_none());
    assert_eq!(bench.files().len(), 3, "what is of no use any more is removed");
    assert_eq!(cache.figures().disk_bytes, bytes - 4096);
    cache.purge_tag(Tag::new("t")).await;
    assert!(cache.get(id(1, 2)).await.is_none(), "tags are known again");
    assert_eq!(content(&large), [2; 100_000], "who reads it can go on");
}

#[tokio::test]
async fn a_purge_before_everything_is_loaded_holds() {
    let bench = Bench::new();
    let cache = bench.open(small());
    for number in 0..50 {
        cache.put(id(1, number), &[Tag::new("old")], made("a")).await.expect("kept");
        cache.put(id(2, number), &[], made("b")).await.expect("kept");
        cache.put(id(3, number), &[Tag::new("kept")], made("c")).await.expect("kept");
    }
    drop(cache);
    let cache = bench.open(small());
    cache.purge_tag(Tag::new("old")).await;
    cache.purge_owner(Owner(2)).await;
    cache.put(id(1, 0), &[Tag::new("old")], made("new")).await.expect("kept");
    cache.remove(id(3, 1)).await;
    cache.loaded().await;
    assert_eq!(content(&cache.get(id(1, 0)).await.expect("an entry")), b"new");
    for number in 2..50 {
        assert!(cache.get(id(1, number)).await.is_none() && cache.get(id(2, number)).await.is_none());
        assert!(cache.get(id(3, number)).await.is_some());
    }
    assert!(cache.get(id(3, 1)).await.is_none());
    // The new one may have come before anybody knew whether there is room for its file.
    let files = bench.files().len();
    assert!((49..=50).contains(&files) && cache.figures().disk_entries == files as u64, "{files}");
}

#[tokio::test]
async fn damaged_files_are_misses_and_go() {
    type Damage = fn(&std::fs::File, u64);
    let damages: [(&str, Damage); 6] = [
        ("empty", |file, _| file.set_len(0).expect("cut")),
        ("one byte short", |file, length| file.set_len(length - 1).expect("cut")),
        ("half", |file, length| file.set_len(length / 2).expect("cut")),
        ("longer", |file, length| file.set_len(length + 100).expect("longer")),
        ("a byte of the body", |file, _| file.write_all_at(b"!", 10).expect("written")),
        ("a byte of the label", |file, length| file.write_all_at(b"!", length - 60).expect("written")),
    ];
    for size in [500, 50_000] {
        for (name, damage) in damages {
            let bench = Bench::new();
            // Without memory, so that the file is asked.
            let settings = Settings { memory_bytes: 0, ..small() };
            let cache = bench.open(settings.clone());
            let harm = || {
                let path = bench.files().pop().expect("a file");
                let file = OpenOptions::new().write(true).open(&path).expect("a file");
                damage(&file, file.metadata().expect("its length").len());
            };
            cache.put(id(1, 1), &[], made(vec![9; size])).await.expect("kept");
            // This run does not read large bodies of its own through.
            if size == 500 || name != "a byte of the body" {
                harm();
                assert!(cache.get(id(1, 1)).await.is_none(), "{name}, running");
                assert!(bench.files().is_empty(), "{name}, running");
                cache.put(id(1, 1), &[], made(vec![9; size])).await.expect("kept");
            }
            drop(cache);
            harm();
            let cache = bench.open(settings.clone());
            cache.loaded().await;
            assert!(cache.get(id(1, 1)).await.is_none(), "{name}, restarted");
            assert!(bench.files().is_empty(), "{name}, restarted");
            assert_eq!((cache.figures().broken, cache.figures().disk_bytes), (1, 0), "{name}");
            let make = move || async move { Ok(made(vec![8; size])) };
            assert_eq!(content(&cache.get_or_make(id(1, 1), &[], make).await.expect("made").0), vec![8; size]);
        }
    }
}

#[tokio::test]
async fn an_entry_under_the_name_of_another_is_not_believed() {
    let bench = Bench::new();
    let cache = bench.open(small());
    cache.put(id(1, 1), &[], made("mine")).await.expect("kept");
    drop(cache);
    let path = bench.files().pop().expect("a file");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    fs::rename(&path, path.with_file_name(name.replacen("0000000000000001", "0000000000000002", 1))).expect("renamed");
    fs::write(path.with_file_name("README"), "not an entry").expect("written");
    let cache = bench.open(small());
    cache.loaded().await;
    assert!(cache.get(id(1, 1)).await.is_none() && cache.get(id(2, 1)).await.is_none());
    assert_eq!(bench.files().len(), 1, "only what is no entry by its name is left alone");
}

#[tokio::test]
async fn drafts_become_entries_or_vanish() {
    let bench = Bench::new();
    let cache = bench.open(small());
    // Written here.
    let mut draft = cache.draft().await.expect("a draft");
    for _ in 0..3 {
        draft.write(Bytes::from(vec![3; 1_000])).await.expect("written");
    }
    let entry = cache.put(id(1, 1), &[], Made { body: MadeBody::File(draft), ..made("") }).await.expect("kept");
    assert_eq!((content(&entry), entry.body.length()), (vec![3; 3_000], 3_000));
    // Written by a program, in place and by another file of this name; small ones come to memory.
    let mut draft = cache.draft().await.expect("a draft");
    fs::write(draft.path(), "in place").expect("written");
    let entry = cache.put(id(1, 2), &[], Made { body: MadeBody::File(draft), ..made("") }).await.expect("kept");
    assert!(matches!(&entry.body, Body::Memory(bytes) if bytes == "in place"));
    let mut draft = cache.draft().await.expect("a draft");
    let other = bench.directory.path().join("other");
    fs::write(&other, vec![4; 2_000]).expect("written");
    fs::rename(&other, draft.path()).expect("renamed");
    cache.put(id(1, 3), &[], Made { body: MadeBody::File(draft), ..made("") }).await.expect("kept");
    // A program that leaves a link, or nothing.
    let mut draft = cache.draft().await.expect("a draft");
    fs::remove_file(draft.path()).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", draft.path()).expect("linked");
    assert!(cache.put(id(1, 4), &[], Made { body: MadeBody::File(draft), ..made("") }).await.is_err());
    let mut draft = cache.draft().await.expect("a draft");
    fs::remove_file(draft.path()).expect("removed");
    let make = || async { Ok(Made { body: MadeBody::File(draft), ..made("") }) };
    assert!(cache.get_or_make(id(1, 4), &[], make).await.is_err());
    // Given up, and left behind by a crash.
    drop(cache.draft().await.expect("a draft"));
    assert!(bench.drafts().is_empty());
    let mut crashed = cache.draft().await.expect("a draft");
    crashed.write(Bytes::from_static(b"half")).await.expect("written");
    std::mem::forget(crashed);
    drop(cache);
    let cache = bench.open(small());
    assert!(bench.drafts().is_empty());
    assert_eq!(content(&cache.get(id(1, 1)).await.expect("an entry")), vec![3; 3_000]);
    assert_eq!(content(&cache.get(id(1, 2)).await.expect("an entry")), b"in place");
    assert_eq!(content(&cache.get(id(1, 3)).await.expect("an entry")), vec![4; 2_000]);
    assert!(cache.get(id(1, 4)).await.is_none());
}

#[tokio::test]
async fn a_directory_that_is_tidied_up_costs_entries_and_nothing_else() {
    let bench = Bench::new();
    let cache = bench.open(small());
    cache.put(id(1, 1), &[], made("small")).await.expect("kept");
    cache.put(id(1, 2), &[], made(vec![1; 5_000])).await.expect("kept");
    cache.loaded().await;
    fs::remove_dir_all(bench.directory.path().join("entries")).expect("removed");
    fs::remove_dir_all(bench.directory.path().join("drafts")).expect("removed");
    assert_eq!(content(&cache.get(id(1, 1)).await.expect("memory needs no disk")), b"small");
    assert_eq!(cache.figures().memory_hits, 1);
    assert!(cache.get(id(1, 2)).await.is_none());
    cache.put(id(1, 2), &[], made(vec![2; 5_000])).await.expect("kept");
    assert_eq!(content(&cache.get(id(1, 2)).await.expect("an entry")), [2; 5_000]);
    // A disk that takes nothing.
    fs::remove_dir_all(bench.directory.path().join("drafts")).expect("removed");
    fs::write(bench.directory.path().join("drafts"), "a file in the way").expect("written");
    let make = || async { Ok(made("small")) };
    assert_eq!(content(&cache.get_or_make::<_, _>(id(1, 3), &[], make).await.expect("a result").0), b"small");
    assert!(cache.get(id(1, 3)).await.is_some(), "memory has it");
    let large = cache.put(id(1, 4), &[], made(vec![4; 5_000])).await.expect("a result");
    assert_eq!(content(&large), [4; 5_000]);
    assert_eq!(cache.figures().unwritten, 2);
    let refused: Result<_, std::io::Error> = cache.draft().await;
    assert!(refused.is_err());
    let failed = cache.get_or_make(id(1, 5), &[], || async { Err(Refused(1)) }).await;
    assert!(failed.is_err());
}
