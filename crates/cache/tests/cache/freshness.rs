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
async fn a_refresh_that_fails_is_not_tried_again_at_once() {
    let bench = Bench::new();
    let cache = bench.open(small());
    let freshness = Freshness::fresh_for(Duration::from_secs(10)).stale_for(Duration::from_secs(10_000));
    let put = async || cache.put(id(1, 1), &[], Made { freshness, ..made("old") }).await.expect("kept");
    // Whether the call begins a refresh. It is over when this returns: the runtime has one thread.
    let refreshes = async |panics: bool| {
        let (begun, begins) = oneshot::channel();
        let make = move || async move {
            begun.send(()).expect("waited for");
            if panics { panic!("on purpose") } else { Err(Refused(1)) }
        };
        let (entry, outcome) = cache.get_or_make(id(1, 1), &[], make).await.expect("an answer");
        assert_eq!((content(&entry).as_slice(), outcome), (b"old".as_slice(), Outcome::Stale));
        begins.await.is_ok()
    };
    put().await;
    bench.pass(10);
    assert!(refreshes(false).await);
    for (pause, panics) in [(5, true), (10, false), (20, false), (40, true), (60, false), (60, false)] {
        bench.pass(pause - 1);
        assert!(!refreshes(panics).await, "within {pause} s");
        bench.pass(1);
        assert!(refreshes(panics).await, "after {pause} s");
    }
    bench.pass(130);
    assert!(refreshes(false).await);
    bench.pass(5);
    assert!(refreshes(false).await, "long ago is forgotten");
    bench.pass(10);
    let (_, outcome) = cache
        .get_or_make(id(1, 1), &[], move || async move { Ok(Made { freshness, ..made("old") }) })
        .await
        .expect("an answer");
    assert_eq!(outcome, Outcome::Stale);
    while cache.get(id(1, 1)).await.is_none() {
        tokio::task::yield_now().await;
    }
    bench.pass(10);
    // The entry is there a moment before the refresh is over.
    while !refreshes(false).await {
        tokio::task::yield_now().await;
    }
    bench.pass(5);
    assert!(refreshes(false).await, "a success forgets the failures before it");
    // Neither another entry nor one that is wanted and not there has to wait.
    let (entry, outcome) = cache.get_or_make(id(2, 1), &[], || async { Ok(made("new")) }).await.expect("a result");
    assert_eq!((content(&entry).as_slice(), outcome), (b"new".as_slice(), Outcome::Made));
    cache.remove(id(1, 1)).await;
    assert!(cache.get_or_make(id(1, 1), &[], || async { Err(Refused(1)) }).await.is_err());
    let (entry, outcome) = cache.get_or_make(id(1, 1), &[], || async { Ok(made("new")) }).await.expect("a result");
    assert_eq!((content(&entry).as_slice(), outcome), (b"new".as_slice(), Outcome::Made));
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
        // After the first failure there is a pause, in which these calls begin none.
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
