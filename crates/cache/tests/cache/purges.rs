//! What was purged is not answered any more.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use stowage_cache::{Cache, Outcome, Owner, Tag};
use tokio::sync::oneshot;

use crate::support::{Bench, Refused, content, id, made, small};

#[tokio::test]
async fn a_purge_takes_all_entries_with_the_tag_and_no_others() {
    let bench = Bench::new();
    let cache = bench.open(small());
    let (one, two) = (Tag::new("handle:one"), Tag::new("handle:two"));
    cache.put(id(1, 1), &[one], made("a")).await.expect("kept");
    cache.put(id(2, 2), &[one, two], made(vec![1; 5_000])).await.expect("kept");
    cache.put(id(3, 3), &[two], made("c")).await.expect("kept");
    // Replaced by what does not depend on it any more.
    cache.put(id(4, 4), &[one], made("d")).await.expect("kept");
    cache.put(id(4, 4), &[], made("e")).await.expect("kept");
    assert_eq!(bench.files().len(), 4);
    cache.purge_tag(one).await;
    assert_eq!(bench.files().len(), 2, "files are gone when the purge is over");
    assert!(cache.get(id(1, 1)).await.is_none() && cache.get(id(2, 2)).await.is_none());
    assert!(cache.get(id(3, 3)).await.is_some() && cache.get(id(4, 4)).await.is_some());
    cache.purge_owner(Owner(3)).await;
    assert!(cache.get(id(3, 3)).await.is_none() && cache.get(id(4, 4)).await.is_some());
    cache.remove(id(4, 4)).await;
    assert!(cache.get(id(4, 4)).await.is_none());
    let figures = cache.figures();
    assert_eq!((figures.disk_bytes, figures.memory_bytes, bench.files().len()), (0, 0, 0));
}

#[tokio::test]
async fn what_is_being_made_when_it_is_purged_is_not_kept_and_not_shared() {
    async fn purge_tag(cache: &Cache<Refused>) {
        cache.purge_tag(Tag::new("source")).await;
    }
    async fn purge_owner(cache: &Cache<Refused>) {
        cache.purge_owner(Owner(1)).await;
    }
    for by_owner in [false, true] {
        let bench = Bench::new();
        let cache = Arc::new(bench.open(small()));
        let (finish, finishing) = oneshot::channel::<()>();
        let before = tokio::spawn({
            let cache = cache.clone();
            async move {
                let make = || async move {
                    finishing.await.expect("told to");
                    Ok(made("old"))
                };
                cache.get_or_make(id(1, 1), &[Tag::new("source")], make).await.expect("a result")
            }
        });
        while cache.figures().misses == 0 {
            tokio::task::yield_now().await;
        }
        if by_owner {
            purge_owner(&cache).await
        } else {
            purge_tag(&cache).await
        }
        let make = || async { Ok(made("new")) };
        let after = cache.get_or_make(id(1, 1), &[Tag::new("source")], make).await.expect("a result");
        assert_eq!((content(&after.0).as_slice(), after.1), (b"new".as_slice(), Outcome::Made));
        finish.send(()).expect("it is being made");
        let before = before.await.expect("a call");
        assert_eq!(content(&before.0), b"old", "who asked before gets what was asked for");
        assert_eq!(content(&cache.get(id(1, 1)).await.expect("an entry")), b"new");
        assert_eq!(bench.files().len(), 1);
    }
}

#[tokio::test]
async fn a_reserved_place_is_lost_by_a_purge() {
    let bench = Bench::new();
    let cache = bench.open(small());
    let place = cache.reserve(id(1, 1), &[Tag::new("source")]);
    cache.purge_tag(Tag::new("source")).await;
    let entry = place.fill::<Refused>(made(vec![5; 5_000])).await.expect("a result");
    assert_eq!(content(&entry), [5; 5_000]);
    drop(place);
    assert!(cache.get(id(1, 1)).await.is_none());
    assert!(bench.files().is_empty() && bench.drafts().is_empty());
}

/// A source changes and its results are purged, while many ask for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_who_asks_after_a_purge_gets_an_older_result() {
    let bench = Bench::new();
    let cache = Arc::new(bench.open(small()));
    let source = Arc::new(AtomicU64::new(0));
    let purged = Arc::new(AtomicU64::new(0));
    let readers = Arc::new(AtomicU32::new(6));
    let tasks: Vec<_> = (0..6)
        .map(|reader: u32| {
            let (cache, source, purged, readers) = (cache.clone(), source.clone(), purged.clone(), readers.clone());
            tokio::spawn(async move {
                for round in 0..400 {
                    let at_least = purged.load(Ordering::SeqCst);
                    let source = source.clone();
                    let make = move || async move {
                        let version = source.load(Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        Ok(made(version.to_string()))
                    };
                    let asked = id(1, (reader + round) % 3);
                    let (entry, _) = cache.get_or_make(asked, &[Tag::new("source")], make).await.expect("a result");
                    let got: u64 = String::from_utf8(content(&entry)).expect("text").parse().expect("a number");
                    assert!(got >= at_least, "version {got} after the purge of everything before {at_least}");
                }
                readers.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    while readers.load(Ordering::SeqCst) > 0 && !tasks.iter().all(|task| task.is_finished()) {
        let version = source.fetch_add(1, Ordering::SeqCst) + 1;
        cache.purge_tag(Tag::new("source")).await;
        purged.store(version, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.expect("a reader");
    }
    cache.purge_tag(Tag::new("source")).await;
    assert!(bench.files().is_empty() && bench.drafts().is_empty());
}
