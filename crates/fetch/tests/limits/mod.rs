//! Bodies that are slow, endless, too large or not what was announced (threats A12 and A13).

use std::time::Duration;

use http::HeaderMap;
use stowage_fetch::{FetchConfig, FetchErrorKind};

use crate::{
    config, fetcher, get_body, read, refusal,
    support::{Origin, Step, ok},
};

#[tokio::test]
async fn a_silent_origin_times_out() {
    let config = FetchConfig {
        connect_timeout: Duration::from_millis(50),
        header_timeout: Duration::from_millis(50),
        ..config()
    };
    for steps in [
        vec![Step::Hang],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Hang],
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), Step::Drip(b'a', Duration::from_millis(5))],
    ] {
        let origin = Origin::answering(steps).await;
        let error = refusal(get_body(&fetcher(config.clone()), &origin.url("/")).await);
        assert_eq!((error.kind(), error.detail()), (FetchErrorKind::Failed, "response head took longer than 100ms"));
    }
}

#[tokio::test]
async fn a_silent_body_times_out() {
    let config = FetchConfig { idle_timeout: Duration::from_millis(50), ..config() };
    let mut steps = ok("Content-Length: 10\r\n", b"hello");
    steps.push(Step::Hang);
    let origin = Origin::answering(steps).await;
    let error = refusal(get_body(&fetcher(config), &origin.url("/")).await);
    assert_eq!(
        (error.kind(), error.detail()),
        (FetchErrorKind::Failed, "next bytes of the body took longer than 50ms")
    );
}

#[tokio::test]
async fn a_dripping_body_ends_at_the_total_timeout() {
    let config = FetchConfig { total_timeout: Duration::from_millis(200), ..config() };
    let mut steps = ok("", b"");
    steps.push(Step::Drip(b'a', Duration::from_millis(5)));
    let origin = Origin::answering(steps).await;
    let error = refusal(get_body(&fetcher(config), &origin.url("/")).await);
    assert_eq!((error.kind(), error.detail()), (FetchErrorKind::Failed, "fetch took longer than 200ms"));
}

#[tokio::test]
async fn an_announced_size_over_the_limit_is_refused_before_the_body() {
    let config = FetchConfig { max_bytes: 10, ..config() };
    let mut steps = ok("Content-Length: 11\r\n", b"");
    steps.push(Step::Hang);
    let origin = Origin::answering(steps).await;
    let error = refusal(fetcher(config).get(&origin.url("/"), HeaderMap::new(), None).await);
    assert_eq!(error.kind(), FetchErrorKind::TooLarge);
    assert_eq!(error.to_string(), "the file behind the url is too large");
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let config = FetchConfig { max_bytes: 64 << 10, ..config() };
    let mut chunked = ok("Transfer-Encoding: chunked\r\n", b"");
    chunked.push(Step::Endless(b"4\r\nabcd\r\n".repeat(1000)));
    let mut until_close = ok("", b"");
    until_close.push(Step::Endless(vec![b'a'; 4096]));
    for steps in [chunked, until_close] {
        let origin = Origin::answering(steps).await;
        let error = refusal(get_body(&fetcher(config.clone()), &origin.url("/")).await);
        assert_eq!(error.kind(), FetchErrorKind::TooLarge);
    }
}

#[tokio::test]
async fn a_call_lowers_the_limit_and_cannot_raise_it() {
    let origin = Origin::answering(ok("", b"0123456789")).await;
    let fetcher = fetcher(FetchConfig { max_bytes: 10, ..config() });
    for (limit, fits) in [(None, true), (Some(10), true), (Some(9), false), (Some(u64::MAX), true)] {
        let fetched = fetcher.get(&origin.url("/"), HeaderMap::new(), limit).await.expect("a head");
        let body = read(fetched).await;
        assert_eq!(body.is_ok(), fits, "limit {limit:?}");
    }
    let larger = Origin::answering(ok("", b"0123456789a")).await;
    let fetched = fetcher.get(&larger.url("/"), HeaderMap::new(), Some(100)).await.expect("a head");
    assert_eq!(refusal(read(fetched).await).kind(), FetchErrorKind::TooLarge);
}

#[tokio::test]
async fn truncated_bodies_end_in_an_error() {
    for steps in [
        ok("Content-Length: 10\r\n", b"hello"),
        ok("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        ok("Transfer-Encoding: chunked\r\n", b"a\r\nhello"),
        ok("Transfer-Encoding: chunked\r\n", b"zz\r\nhello\r\n0\r\n\r\n"),
    ] {
        let origin = Origin::answering(steps).await;
        let error = refusal(get_body(&fetcher(config()), &origin.url("/")).await);
        assert_eq!(error.kind(), FetchErrorKind::Failed);
        assert!(error.detail().starts_with("body: "), "{}", error.detail());
    }
}

#[tokio::test]
async fn bytes_beyond_the_announced_length_are_not_read() {
    let origin = Origin::answering(ok("Content-Length: 5\r\n", b"helloHTTP/1.1 200 OK\r\n\r\n")).await;
    assert_eq!(get_body(&fetcher(config()), &origin.url("/")).await.expect("a file"), b"hello");
}

#[tokio::test]
async fn contradictory_lengths_fail() {
    let origin = Origin::answering(ok("Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")).await;
    let error = refusal(get_body(&fetcher(config()), &origin.url("/")).await);
    assert_eq!(error.kind(), FetchErrorKind::Failed);
}

/// Threat A13: what is stored is what was sent.
#[tokio::test]
async fn compressed_bodies_pass_unchanged() {
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not really";
    let origin = Origin::answering(ok("Content-Encoding: gzip\r\n", gzip)).await;
    assert_eq!(get_body(&fetcher(config()), &origin.url("/")).await.expect("a file"), gzip);
}
