//! Heads, targets and framing that no sound client sends (threats D2–D4).

use tokio::io::AsyncWriteExt;

use crate::{
    hostile::{Watched, connect, raw, rest},
    support::{client, store},
};

#[tokio::test]
async fn requests_out_of_measure_are_refused() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let target = format!("/api/store/S3?key={}", app.key);
    let long = "x".repeat(20_000);
    let longer = "x".repeat(1 << 20);
    let request = |target: &str, headers: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 7\r\nConnection: close\r\n\r\ncontent")
    };
    raw(server, request(&format!("{target}&filename={long}"), "")).await.refuses("a long query", 414, "16384 bytes");
    raw(server, request(&format!("/{long}"), "")).await.refuses("a long path", 414, "16384 bytes");
    raw(server, request(&target, &format!("X-Bomb: {}\r\n", "x".repeat(70_000)))).await.refuses(
        "a long header",
        431,
        "65536 bytes",
    );
    let parameters = "&a=b".repeat(2_000);
    raw(server, request(&format!("{target}{parameters}"), "")).await.refuses("2,000 parameters", 400, "100 parameters");
    let tasks = "cache=expiry:max/".repeat(800);
    let answer = raw(server, request(&format!("/{tasks}7xSJALUhSlCDCNujt5Ku"), "")).await;
    assert_eq!(answer.status, 400, "800 tasks: {answer:?}");
    // Beyond what the HTTP library buffers it answers by itself, without a text.
    for (case, request, status) in [
        ("a query of 1 MB", request(&format!("{target}&filename={longer}"), ""), &[414, 431][..]),
        ("100,000 parameters", request(&format!("{target}{}", "&a=b".repeat(100_000)), ""), &[414, 431]),
        ("a header of 1 MB", request(&target, &format!("X-Bomb: {longer}\r\n")), &[431]),
        ("10,000 headers", request(&target, &"X-Bomb: x\r\n".repeat(10_000)), &[431]),
    ] {
        let answer = raw(server, request).await;
        assert!(status.contains(&answer.status), "{case}: {answer:?}");
    }
    assert_eq!(watched.stored().await, before);
}

#[tokio::test]
async fn ambiguous_framing_hides_no_second_request() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let inner = format!(
        "POST /api/store/S3?key={}&filename=smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nsmuggled",
        app.key
    );
    for (case, headers, body) in [
        ("two lengths", "Content-Length: 7\r\nContent-Length: 8\r\n", "content"),
        ("lengths in a list", "Content-Length: 7, 8\r\n", "content"),
        ("a signed length", "Content-Length: +7\r\n", "content"),
        ("a negative length", "Content-Length: -1\r\n", "content"),
        ("a length beyond all", "Content-Length: 99999999999999999999999\r\n", "content"),
        ("an unknown coding", "Transfer-Encoding: gzip\r\n", "content"),
        ("chunked not last", "Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
        ("a folded header", "X: a\r\n b\r\nContent-Length: 7\r\n", "content"),
        ("a blank before the colon", "Content-Length : 7\r\n", "content"),
    ] {
        let request = format!("POST /api/store/S3?key={} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}{inner}", app.key);
        let answer = raw(server, request).await;
        assert_eq!(answer.status, 400, "{case}: {answer:?}");
        assert!(!answer.body.contains("HTTP/1.1"), "{case}: a second answer in {answer:?}");
    }
    assert_eq!(watched.stored().await, before);
    // Chunked wins over a length, as RFC 9112 section 6.3 has it, and nothing behind it on the connection is read.
    for (case, headers) in [
        ("length first", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("chunked first", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ] {
        let request = format!("POST /api/store/S3?key=unknown HTTP/1.1\r\nHost: x\r\n{headers}\r\n0\r\n\r\n{inner}");
        let answer = raw(server, request).await;
        assert!(matches!(answer.status, 400 | 401), "{case}: {answer:?}");
        assert!(!answer.body.contains("HTTP/1.1"), "{case}: a second answer in {answer:?}");
    }
    assert_eq!(watched.stored().await, before);
}

#[tokio::test]
async fn chunk_extensions_and_trailers_are_bounded() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let head = format!(
        "POST /api/store/S3?key={} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        app.key
    );
    let large = "x".repeat(1 << 20);
    for (case, body) in [
        ("a chunk extension of 1 MB", format!("7;{large}\r\ncontent\r\n0\r\n\r\n")),
        ("trailers of 1 MB", format!("7\r\ncontent\r\n0\r\nX-Trailer: {large}\r\n\r\n")),
    ] {
        let mut connection = connect(server).await;
        connection.write_all(head.as_bytes()).await.expect("the head is taken");
        let _ = connection.write_all(body.as_bytes()).await;
        let _ = connection.shutdown().await;
        let answer = rest(&mut connection).await;
        assert!(matches!(answer.status, 0 | 400), "{case}: {answer:?}");
    }
    watched.settles_to(&before).await;
}

#[tokio::test]
async fn range_bombs_cost_no_more_than_the_file() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let content = vec![7; 100_000];
    let stored = store(server, &app, "", content.clone()).await;
    let url = stored["url"].as_str().expect("a url");
    let overlapping = format!("bytes={}", (0..5_000).map(|start| format!("{start}-")).collect::<Vec<_>>().join(","));
    for (range, status) in [
        (format!("bytes={}", vec!["0-0"; 1_000].join(",")), 200),
        (overlapping, 200),
        (format!("bytes={}", vec!["0-"; 30].join(",")), 206),
        ("bytes=0-99999,1-99999,2-99999".to_owned(), 206),
        ("bytes=-0".to_owned(), 416),
        ("bytes=100000-".to_owned(), 416),
        ("bytes=18446744073709551615-18446744073709551616".to_owned(), 416),
        ("bytes=-99999999999999999999".to_owned(), 206),
        ("bytes=9-1".to_owned(), 200),
        ("bytes=0-0;x".to_owned(), 200),
        ("lines=0-1".to_owned(), 200),
    ] {
        let case: String = range.chars().take(40).collect();
        let response = client().get(url).header("range", &range).send().await.expect(&case);
        assert_eq!(response.status().as_u16(), status, "{case}");
        let length = response.bytes().await.expect("the bytes").len();
        assert!(length <= content.len(), "{case}: {length} bytes");
    }
    let apart: Vec<String> = (0..40).map(|index| format!("{0}-{0}", index * 10)).collect();
    for (count, status) in [(32, 206), (33, 200)] {
        let range = format!("bytes={}", apart[..count].join(","));
        let response = client().get(url).header("range", range).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), status, "{count} ranges apart");
    }
}
