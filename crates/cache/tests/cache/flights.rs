//! What many want at once is made once.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use stowage_cache::{Failure, Outcome};
use tokio::sync::{Semaphore, oneshot};

use crate::support::{Bench, Refused, content, id, made, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_identical_calls_make_it_once() {
    let bench = Bench::new();
    let cache = Arc::new(bench.open(small()));
    let runs = Arc::new(AtomicU32::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let calls: Vec<_> = (0..1_000)
        .map(|_| {
            let (cache, runs, gate) = (cache.clone(), runs.clone(), gate.clone());
            tokio::spawn(async move {
                let make = move || async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.expect("open").forget();
                    Ok(made("once"))
                };
                cache.get_or_make(id(1, 1), &[], make).await.expect("a result")
            })
        })
        .collect();
    while cache.figures().shared < 999 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    let mut outcomes = Vec::new();
    for call in calls {
        let (entry, outcome) = call.await.expect("a call");
        assert_eq!(content(&entry), b"once");
        outcomes.push(outcome);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Made).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Shared).count(), 999);
    assert_eq!(cache.figures().misses, 1);
    let again = cache.get_or_make(id(1, 1), &[], || async { Err(Refused(0)) }).await.expect("it is kept");
    assert_eq!(again.1, Outcome::Hit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn waves_of_calls_without_any_waiting_make_it_once_each() {
    let bench = Bench::new();
    let cache = Arc::new(bench.open(small()));
    for wave in 0..50 {
        let runs = Arc::new(AtomicU32::new(0));
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let (cache, runs) = (cache.clone(), runs.clone());
                tokio::spawn(async move {
                    let make = move || async move {
                        runs.fetch_add(1, Ordering::SeqCst);
                        Ok(made("x"))
                    };
                    cache.get_or_make(id(1, wave), &[], make).await.expect("a result")
                })
            })
            .collect();
        for call in calls {
            call.await.expect("a call");
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "wave {wave}");
    }
}

#[tokio::test]
async fn an_error_reaches_all_who_wait_and_is_not_kept() {
    let bench = Bench::new();
    let cache = Arc::new(bench.open(small()));
    let (fail, failing) = oneshot::channel::<()>();
    let first = tokio::spawn({
        let cache = cache.clone();
        async move {
            let make = || async move {
                failing.await.expect("told to");
                Err(Refused(42))
            };
            cache.get_or_make(id(1, 1), &[], make).await
        }
    });
    while cache.figures().misses == 0 {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_or_make(id(1, 1), &[], || async { Ok(made("unused")) }).await }
    });
    while cache.figures().shared == 0 {
        tokio::task::yield_now().await;
    }
    fail.send(()).expect("it waits");
    for call in [first, second] {
        let error = call.await.expect("a call").expect_err("an error");
        assert!(matches!(error, Failure::Make(error) if *error == Refused(42)));
    }
    let (entry, outcome) = cache.get_or_make(id(1, 1), &[], || async { Ok(made("right")) }).await.expect("a result");
    assert_eq!((content(&entry).as_slice(), outcome), (b"right".as_slice(), Outcome::Made));
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_next_call_begins_anew() {
    let bench = Bench::new();
    let cache = bench.open(small());
    let in_future = cache.get_or_make(id(1, 1), &[], || async { panic!("on purpose") }).await;
    assert!(matches!(in_future, Err(Failure::BrokeOff)));
    let make = || -> std::future::Ready<Result<_, Refused>> { panic!("on purpose") };
    assert!(matches!(cache.get_or_make(id(1, 1), &[], make).await, Err(Failure::BrokeOff)));
    let (entry, outcome) = cache.get_or_make(id(1, 1), &[], || async { Ok(made("right")) }).await.expect("a result");
    assert_eq!((content(&entry).as_slice(), outcome), (b"right".as_slice(), Outcome::Made));
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_take_the_computation_along() {
    let bench = Bench::new();
    let cache = Arc::new(bench.open(small()));
    let (finish, finishing) = oneshot::channel::<()>();
    let first = tokio::spawn({
        let cache = cache.clone();
        async move {
            let make = || async move {
                finishing.await.expect("told to");
                Ok(made("kept"))
            };
            cache.get_or_make(id(1, 1), &[], make).await
        }
    });
    while cache.figures().misses == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    assert!(first.await.expect_err("gone").is_cancelled());
    finish.send(()).expect("the computation goes on");
    let (entry, outcome) = cache.get_or_make(id(1, 1), &[], || async { Err(Refused(0)) }).await.expect("a result");
    assert_eq!(content(&entry), b"kept");
    assert!(matches!(outcome, Outcome::Shared | Outcome::Hit));
}

#[tokio::test]
async fn owners_do_not_share() {
    let bench = Bench::new();
    let cache = bench.open(small());
    cache.put(id(1, 1), &[], made("one")).await.expect("kept");
    assert!(cache.get(id(2, 1)).await.is_none());
    let (entry, _) = cache.get_or_make(id(2, 1), &[], || async { Ok(made("two")) }).await.expect("a result");
    assert_eq!(content(&entry), b"two");
    assert_eq!(content(&cache.get(id(1, 1)).await.expect("an entry")), b"one");
}
