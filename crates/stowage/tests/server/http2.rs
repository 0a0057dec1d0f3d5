//! HTTP/2: spoken with prior knowledge and over TLS, and what its clients may not do (threat D5).

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::{
    hostile::{PATIENCE, connect},
    support::{Stowage, client_builder, send, server, server_with, store, text_of},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// GET http://x/ (RFC 7541: three indexed fields and one literal).
const REQUEST: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];

fn client(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.http2_prior_knowledge().build().expect("a client")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn still_serves(server: &Stowage) {
    crate::support::get(server, "/healthz").await.expect(200);
}

#[tokio::test]
async fn requests_share_a_connection() {
    let server = server();
    let app = server.app("shop", &[]);
    let client = client(client_builder());
    let content = vec![7; 3 << 20];
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let uploads = (0..8).map(|_| send(client.post(&url).body(content.clone())));
    for stored in futures_util::future::join_all(uploads).await {
        let stored = stored.expect(200).json();
        let url = text_of(&stored, "url");
        assert!(url.starts_with(server.url()), "the host that the request named: {url}");
        let read = client.get(url).send().await.expect("an answer");
        assert_eq!(read.version(), reqwest::Version::HTTP_2);
        assert!(read.bytes().await.expect("the bytes") == content);
    }
    // An early refusal ends one request, not the others.
    let refused = client.post(format!("{}/api/store/moon", server.url())).body(content.clone());
    if let Ok(answer) = refused.send().await {
        assert_eq!(answer.status(), 400);
        assert!(!answer.headers().contains_key("connection"));
    }
    send(client.get(format!("{}/healthz", server.url()))).await.expect(200);
}

#[tokio::test]
async fn too_large_heads_are_refused() {
    let server = server_with(&[("STOWAGE_LIMITS_MAX_HEADER_BYTES", "16KiB")]);
    let client = client(client_builder());
    let url = format!("{}/healthz", server.url());
    for size in [20_000, 200_000] {
        let answer = client.get(&url).header("x-large", "x".repeat(size)).send().await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 431), "{size}");
    }
    send(client.get(&url).header("x-small", "x".repeat(4_000))).await.expect(200);
}

/// CVE-2023-44487: requests that are taken back at once.
#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let server = server();
    let mut connection = connect(&server).await;
    let mut bytes = [PREFACE, &EMPTY_SETTINGS].concat();
    for stream in (1..20_000).step_by(2) {
        bytes.extend(frame(1, 5, stream, &REQUEST));
        bytes.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    let _ = connection.write_all(&bytes).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("the connection is closed");
    still_serves(&server).await;
}

#[tokio::test]
async fn silent_and_stalled_clients_are_let_go() {
    let server = server_with(&[("STOWAGE_LIMITS_IDLE_TIMEOUT", "500ms")]);
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "", vec![7; 4 << 20]).await;
    let started = Instant::now();
    let silent = async |bytes: &[u8]| {
        let mut connection = connect(&server).await;
        connection.write_all(bytes).await.expect("taken");
        let mut answer = Vec::new();
        let closed = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
        let _ = closed.unwrap_or_else(|_| panic!("left open after {} bytes", bytes.len()));
    };
    // The client takes a little of the answer and nothing more; its connection is healthy all the while.
    let stalled = async {
        let client = client(client_builder().http2_initial_stream_window_size(70_000));
        let answer = client.get(text_of(&stored, "url")).send().await.expect("a head");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(answer.bytes().await.is_err(), "the answer was cut off");
    };
    let beginning = [PREFACE, &EMPTY_SETTINGS].concat();
    tokio::join!(silent(PREFACE), silent(&beginning), stalled);
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    // Somebody who keeps taking is not cut off, however long it takes.
    let client = client(client_builder().http2_initial_stream_window_size(70_000));
    let mut answer = client.get(text_of(&stored, "url")).send().await.expect("a head");
    let (mut read, mut pauses) = (0, 0);
    while let Some(chunk) = answer.chunk().await.expect("not cut off") {
        read += chunk.len();
        if read / (1 << 20) > pauses {
            pauses += 1;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    assert_eq!(read, 4 << 20);
}
