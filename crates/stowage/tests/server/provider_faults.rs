//! A bucket whose provider stalls, cuts connections or answers 503: nothing is acknowledged that is not there.

use std::time::{Duration, Instant};

use stowage_testkit::{Fault, FaultProxy, S3Server, Way};
use tokio::time::timeout;

use crate::{
    hostile::{eventually, files_below, files_stored},
    migrate::let_garbage_become_due,
    support::{App, HttpAnswer, Stowage, client, get, post, server, store, text_of},
};

/// Two parts.
const LARGE: usize = 10 << 20;

/// A server whose only app stores into a bucket by way of the proxy.
pub(crate) struct Line {
    pub(crate) s3: S3Server,
    pub(crate) proxy: FaultProxy,
    pub(crate) server: Stowage,
    pub(crate) app: App,
}

impl Line {
    pub(crate) async fn open() -> Self {
        let s3 = S3Server::start("bucket").await;
        let proxy = FaultProxy::start(&s3.endpoint()).await;
        let server = server();
        let app = server.app("shop", &[]);
        server.run(&[
            "store",
            "add",
            "shop",
            "S3",
            "--provider",
            "s3",
            "bucket=bucket",
            &format!("endpoint={}", proxy.url()),
            &format!("access_key_id={}", s3.access_key_id()),
            &format!("secret_access_key={}", s3.secret_access_key()),
        ]);
        Self { s3, proxy, server, app }
    }

    async fn put(&self, name: &str, content: Vec<u8>) -> HttpAnswer {
        post(&self.server, &format!("/api/store/S3?key={}&filename={name}", self.app.key), content).await
    }

    pub(crate) fn objects(&self) -> usize {
        files_below(&self.s3.root().join("bucket")).len()
    }

    /// Nothing was acknowledged, counted or registered, neither now nor after a start, and what may be left is removed when the
    /// provider is certainly done with it.
    async fn nothing_is_registered(&mut self) {
        assert_eq!(files_stored(&self.server).await, 0);
        let_garbage_become_due(&self.server);
        self.server.kill_and_restart();
        assert_eq!(files_stored(&self.server).await, 0);
        eventually("what the provider may have is removed", async || self.objects() == 0).await;
    }

    /// What works, works again.
    async fn works(&self, content: &[u8]) {
        let stored = store(&self.server, &self.app, "filename=later.bin", content.to_vec()).await;
        let back = get(&self.server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200);
        assert!(back.body == content);
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number % 251) as u8).collect()
}

#[track_caller]
fn unavailable(answer: &HttpAnswer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(!answer.text().contains("127.0.0.1"), "the cause stays in the log: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_provider_registers_nothing_and_a_later_retry_succeeds() {
    let faults = [
        Fault::Status(503),
        Fault::Cut(Way::Request, 5_000),
        Fault::Reset(Way::Request, 5_000),
        // The object is at the provider, and nobody knows.
        Fault::Cut(Way::Answer, 0),
    ];
    let cases = faults.into_iter().flat_map(|fault| [10_000, LARGE].map(|length| (fault, length)));
    futures_util::future::join_all(cases.map(async |(fault, length)| {
        let mut line = Line::open().await;
        line.proxy.fail(fault);
        unavailable(&line.put("a.bin", content(length)).await);
        assert!(line.proxy.struck() > 0, "the fault has not happened");
        line.proxy.heal();
        line.nothing_is_registered().await;
        line.works(&content(length)).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_change_on_the_way_are_not_acknowledged() {
    for length in [10_000, LARGE] {
        let mut line = Line::open().await;
        line.proxy.fail(Fault::Flip(Way::Request, 5_000));
        let answer = line.put("a.bin", content(length)).await;
        assert!((500..600).contains(&answer.status), "{answer:?}");
        line.proxy.heal();
        assert_eq!(line.objects(), 0);
        line.nothing_is_registered().await;
        line.works(&content(length)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_failure_is_not_noticed() {
    let line = Line::open().await;
    for fault in [Fault::Status(503), Fault::Cut(Way::Request, 5_000), Fault::Reset(Way::Answer, 0)] {
        line.proxy.fail_times(2, fault);
        line.works(&content(10_000)).await;
        assert_eq!(line.proxy.struck(), 2, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_provider_stalls_nothing_is_acknowledged_and_others_are_served() {
    let line = Line::open().await;
    line.proxy.fail(Fault::Stall(Way::Request, 5_000));
    let storing = line.put("a.bin", content(10_000));
    tokio::pin!(storing);
    eventually("the provider stalls", async || {
        let waited = timeout(Duration::from_millis(20), &mut storing).await;
        assert!(waited.is_err(), "nothing can be known yet: {waited:?}");
        line.proxy.struck() > 0
    })
    .await;
    let local = line.server.app("local", &[]);
    store(&line.server, &local, "filename=b.txt", "served").await;
    assert_eq!(files_stored(&line.server).await, 1, "that of the other app");
    // The connection ends, and so do those of the repetitions.
    line.proxy.fail(Fault::Cut(Way::Request, 0));
    unavailable(&storing.await);
    line.proxy.heal();
    assert_eq!((files_stored(&line.server).await, line.objects()), (1, 0));
    line.works(&content(10_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_keeps_failing_is_left_alone_and_tried_again() {
    let line = Line::open().await;
    line.proxy.fail(Fault::Status(503));
    // As many failures as the guard of a provider bears.
    let failing = ["1.bin", "2.bin", "3.bin", "4.bin", "5.bin"].map(|name| line.put(name, content(10)));
    for answer in futures_util::future::join_all(failing).await {
        unavailable(&answer);
    }
    let asked = line.proxy.struck();
    let begun = Instant::now();
    unavailable(&line.put("refused.bin", content(10)).await);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(line.proxy.struck(), asked, "the provider is not asked");
    line.proxy.heal();
    eventually("the provider is tried again", async || line.put("tried.bin", content(10)).await.status == 200).await;
    line.works(&content(10)).await;
    assert_eq!(files_stored(&line.server).await, 2);
}

/// `stowage_content_mismatches_total`.
async fn mismatches(server: &Stowage) -> u64 {
    let metrics = get(server, "/metrics").await;
    let value = metrics.text().lines().find_map(|line| line.strip_prefix("stowage_content_mismatches_total "));
    value.and_then(|value| value.parse().ok()).expect("a figure")
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_changes_on_the_way_back_is_never_complete() {
    let line = Line::open().await;
    let mut expected = 0;
    for length in [10_000, LARGE] {
        let stored = store(&line.server, &line.app, "filename=a.bin", content(length)).await;
        let path = format!("/{}", text_of(&stored, "handle"));
        for position in [0, length - 1] {
            line.proxy.fail(Fault::Flip(Way::Answer, position as u64));
            let answer = client().get(format!("{}{path}", line.server.url())).send().await;
            let read = match answer {
                Ok(answer) => answer.bytes().await,
                Err(error) => Err(error),
            };
            assert!(read.is_err(), "{length} bytes, changed at {position}: they look complete");
            assert!(line.proxy.struck() > 0, "the fault has not happened");
            expected += 1;
            assert_eq!(mismatches(&line.server).await, expected);

            // Nor does it become another file.
            let copy = format!("/api/store/local/{}?key={}", text_of(&stored, "handle"), line.app.key);
            let refused = post(&line.server, &copy, "").await;
            assert!((500..600).contains(&refused.status), "{refused:?}");
            expected += 1;
        }
        line.proxy.heal();
        assert!(get(&line.server, &path).await.expect(200).body == content(length));
    }
    assert_eq!(mismatches(&line.server).await, expected);
    assert_eq!(files_stored(&line.server).await, 2);
}
