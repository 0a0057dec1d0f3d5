//! Entries past their time.

use std::{sync::Arc, time::Duration};

use stowage_cache::{Freshness, Made, Outcome};
use tokio::sync::oneshot;

use crate::support::{Bench, Refused, content, id, made, small};

fn passing(body: &'static str) -> Made {
    let freshness = Freshness::fresh_for(Duration::from_secs(10)).stale_for(Duration::from_secs(20));
    Made { freshness, ..made(body) }
}

#[tokio::test]
async fn a_stale_entry_is_answered_and_made_again_once() {
    // In memory, and on disk alone.
    for memory_bytes in [1 << 18, 0] {
        let bench = Bench::new();
        let cache = Arc::new(bench.open(stowage_cache::Settings { memory_bytes, ..small() }));
        let entry = cache.put(id(1, 1), &[], passing("old")).await.expect("kept");
        assert_eq!(entry.fresh_until(), Some(entry.made() + Duration::from_secs(10)));
        bench.pass(9);
        assert!(cache.get(id(1, 1)).await.is_some());
        bench.pass(1);
        assert!(cache.get(id(1, 1)).await.is_none(), "past its time");

        let (finish, finishing) = oneshot::channel::<()>();
        let make = || async move {
            finishing.await.expect("told to");
            Ok(passing("new"))
        };
        let (entry, outcome) = cache.get_or_make(id(1, 1), &[], make).await.expect("an answer");
        assert_eq!((content(&entry).as_slice(), outcome), (b"old".as_slice(), Outcome::Stale));
        for _ in 0..100 {
            let never = || async { panic!("a second refresh") };
            let (entry, outcome) = cache.get_or_make(id(1, 1), &[], never).await.expect("an answer");
            assert_eq!((content(&entry).as_slice(), outcome), (b"old".as_slice(), Outcome::Stale));
        }
        assert_eq!(cache.figures().stale, 101);
        finish.send(()).expect("it is being made");
        let fresh = loop {
            if let Some(entry) = cache.get(id(1, 1)).await {
                break entry;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(content(&fresh), b"new");
    }
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_stale_entry_to_its_end() {
    let bench = Bench::new();
    let cache = bench.open(small());
    cache.put(id(1, 1), &[], passing("old")).await.expect("kept");
    bench.pass(29);
    for number in 0..3 {
        let (failed, fails) = oneshot::channel();
        let make = move || async move {
            failed.send(()).expect("waited for");
            Err(Refused(number))
        };
        // The refresh before may not be over yet; then this call begins none.
        let (entry, outcome) = cache.get_or_make(id(1, 1), &[], make).await.expect("an answer");
        assert_eq!((content(&entry).as_slice(), outcome), (b"old".as_slice(), Outcome::Stale));
        let _ = fails.await;
    }
    bench.pass(1);
    assert_eq!(bench.files().len(), 1);
    assert!(cache.get(id(1, 1)).await.is_none());
    assert!(bench.files().is_empty(), "what is of no use takes no room");
    assert_eq!(cache.figures().disk_entries + cache.figures().memory_entries, 0);
    let (entry, outcome) = cache.get_or_make(id(1, 1), &[], || async { Ok(made("new")) }).await.expect("a result");
    assert_eq!((content(&entry).as_slice(), outcome), (b"new".as_slice(), Outcome::Made));
}
