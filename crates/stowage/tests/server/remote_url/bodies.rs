//! Origins that lie, stall or never end.

use std::{sync::Arc, time::Duration};

use stowage_testkit::{Origin, Reply};
use tokio::time::Instant;

use super::Fixture;
use crate::hostile::{Answer, PATIENCE};

#[tokio::test]
async fn what_does_not_arrive_whole_is_not_stored() {
    let fixture = Fixture::start(&[]).await;
    let before = fixture.watched.stored().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
    let large = "x".repeat(600_000);
    let replies: Vec<(&str, String)> = vec![
        ("shorter than announced", format!("{head}Content-Length: 100\r\n\r\ncontent")),
        ("much shorter than announced", format!("{head}Content-Length: 900000\r\n\r\n{large}")),
        ("no body at all", format!("{head}Content-Length: 100\r\n\r\n")),
        ("chunks without end", format!("{head}Transfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n")),
        ("half a chunk", format!("{head}Transfer-Encoding: chunked\r\n\r\nff\r\ncontent")),
        (
            "large chunks without end",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n", large.len()),
        ),
        ("a chunk of no size", format!("{head}Transfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\nxyz\r\n")),
        ("two lengths", format!("{head}Content-Length: 7\r\nContent-Length: 3\r\n\r\ncontent")),
        ("a negative length", format!("{head}Content-Length: -7\r\n\r\ncontent")),
        ("no HTTP", "SSH-2.0-OpenSSH_9.0\r\n".to_owned()),
        ("nothing", String::new()),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-".to_owned()),
        ("a head of 1 MB", format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))),
        ("not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnone".to_owned()),
        ("an error", "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\nConnection: close\r\n\r\noops".to_owned()),
        ("a redirect to nowhere", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()),
        ("unmodified", "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()),
        (
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\ncontent".to_owned(),
        ),
    ];
    let replies = Arc::new(replies);
    let scripted = replies.clone();
    let origin = Origin::start("127.0.0.2", move |request| {
        let index: usize = request.target.trim_start_matches('/').parse().expect("an index");
        scripted[index].1.clone()
    })
    .await;
    for (index, (case, _)) in replies.iter().enumerate() {
        let url = origin.url(&format!("/{index}"));
        let mut doors = fixture.doors(&url);
        doors.extend(fixture.json_doors(&url));
        for (door, request) in doors {
            let answer = Answer::of(request.send().await.expect(door)).await;
            answer.refuses(&format!("{case}: {door}"), 400, "Could not fetch the url");
        }
    }
    assert_eq!(origin.received().len(), replies.len() * 14, "every door asked the origin");
    fixture.nothing_happened(&before).await;
}

#[tokio::test]
async fn slow_and_endless_origins_are_left() {
    let fixture = Fixture::start(&[]).await;
    let before = fixture.watched.stored().await;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    let pause = Duration::from_millis(100);
    let origin = Origin::start("127.0.0.2", move |request| match request.target.as_str() {
        "/silent" => Reply::from("").then_hang(),
        "/slow-head" => Reply::from(format!("{head}X: {}\r\n\r\n", "x".repeat(1_000))).one_byte_every(pause),
        "/stalled" => Reply::from(format!("{head}Content-Length: 100\r\n\r\ncontent")).then_hang(),
        "/stalled-chunks" => {
            Reply::from(format!("{head}Transfer-Encoding: chunked\r\n\r\n7\r\ncontent\r\n")).then_hang()
        }
        "/stalled-redirect" => Reply::from("HTTP/1.1 302 Found\r\nLoc").then_hang(),
        _ => Reply::from(format!("{head}Content-Length: 70000000000\r\n\r\n")).then_endless(),
    })
    .await;
    let slow_body = Origin::start("127.0.0.2", |request| {
        let body = Reply::from("HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"x".repeat(1_000));
        if request.target == "/drip" { body.one_byte_every(Duration::from_millis(10)) } else { body.then_endless() }
    })
    .await;
    let cases = [
        (origin.url("/silent"), 400, "Could not fetch"),
        (origin.url("/slow-head"), 400, "Could not fetch"),
        (origin.url("/stalled"), 400, "Could not fetch"),
        (origin.url("/stalled-chunks"), 400, "Could not fetch"),
        (origin.url("/stalled-redirect"), 400, "Could not fetch"),
        (origin.url("/announced-too-large"), 413, "too large"),
        // Faster than the idle timeout, so that only the total one ends it.
        (slow_body.url("/drip"), 400, "Could not fetch"),
        // No length announced: found out while streaming.
        (slow_body.url("/endless"), 413, "too large"),
    ];
    let started = Instant::now();
    let requests = cases.iter().flat_map(|(url, status, mentions)| {
        let doors = fixture.doors(url).into_iter().chain(fixture.json_doors(url));
        doors.map(move |(door, request)| async move {
            let answer = Answer::of(request.send().await.expect(door)).await;
            answer.refuses(&format!("{door}: {url}"), *status, mentions);
        })
    });
    futures_util::future::join_all(requests).await;
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
    fixture.nothing_happened(&before).await;
}

/// An origin that sends more than it announced is believed about the length: the rest is no part of its answer.
#[tokio::test]
async fn bytes_behind_the_announced_length_are_not_stored() {
    let fixture = Fixture::start(&[]).await;
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ncontent and more";
    let origin = Origin::start("127.0.0.2", move |_| long).await;
    for (door, request) in fixture.doors(&origin.url("/")) {
        let answer = Answer::of(request.send().await.expect(door)).await;
        if answer.status == 200 {
            let stored: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(stored["size"], 4, "{door}");
            let read = fixture.http.get(stored["url"].as_str().expect("a url")).send().await.expect("an answer");
            assert_eq!(read.text().await.expect("text"), "cont", "{door}");
        } else {
            answer.refuses(door, 400, "Could not fetch the url");
        }
    }
}

/// The bytes of an origin are stored as they came, whatever coding it claims; no bomb is unpacked (threat A13).
#[tokio::test]
async fn codings_are_not_undone() {
    let fixture = Fixture::start(&[]).await;
    let coded = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\nConnection: close\r\n\r\nnotgzip";
    let origin = Origin::start("127.0.0.2", move |_| coded).await;
    let answer = Answer::of(fixture.doors(&origin.url("/a.txt")).remove(0).1.send().await.expect("an answer")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let stored: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let read = fixture.http.get(stored["url"].as_str().expect("a url")).send().await.expect("an answer");
    assert!(read.headers().get("content-encoding").is_none());
    assert_eq!(read.text().await.expect("text"), "notgzip");
    assert_eq!(origin.received()[0].header("accept-encoding"), Some("identity"));
}
