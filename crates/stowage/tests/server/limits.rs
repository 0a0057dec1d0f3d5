//! Clients that are slow, silent, many or too large (threats C8, L1), and what they cost.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    hostile::{Answer, PATIENCE, Watched, connect, eventually, rest},
    support::{App, Stowage, client, store},
};

fn head(app: &App, headers: &str) -> String {
    format!("POST /api/store/S3?key={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n", app.key)
}

/// Sends bytes one at a time until they are all gone or the server has had enough.
async fn drip(connection: &mut TcpStream, bytes: impl IntoIterator<Item = u8>, pause: Duration) {
    let (mut reading, mut writing) = connection.split();
    let mut bytes = bytes.into_iter();
    loop {
        let Some(byte) = bytes.next() else { return };
        if writing.write_all(&[byte]).await.is_err() {
            return;
        }
        // An answer, or the end.
        if timeout(pause, reading.peek(&mut [0])).await.is_ok() {
            return;
        }
    }
}

#[tokio::test]
async fn slow_and_silent_clients_are_let_go() {
    let watched = Watched::start(&[
        ("STOWAGE_LIMITS_HEADER_TIMEOUT", "700ms"),
        ("STOWAGE_LIMITS_IDLE_TIMEOUT", "700ms"),
        ("STOWAGE_LIMITS_REQUEST_TIMEOUT", "3s"),
    ]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let started = Instant::now();
    let silent = async {
        let mut connection = connect(server).await;
        assert_eq!(rest(&mut connection).await.status, 0);
    };
    let slow_head = async {
        let mut connection = connect(server).await;
        drip(&mut connection, head(&app, &format!("X: {}\r\n", "x".repeat(1_000))).bytes(), Duration::from_millis(50))
            .await;
        let answer = rest(&mut connection).await;
        assert!(matches!(answer.status, 0 | 408), "{answer:?}");
    };
    let silent_between_requests = async {
        let mut connection = connect(server).await;
        connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
        assert_eq!(rest(&mut connection).await.status, 200, "kept open, then closed");
    };
    let stalled_body = async |headers: &str, beginning: &str| {
        let mut connection = connect(server).await;
        let request = head(&app, headers) + beginning;
        connection.write_all(request.as_bytes()).await.expect("the beginning is taken");
        rest(&mut connection).await.refuses(headers, 408, "pause");
    };
    let form = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n";
    let file = "--b\r\nContent-Disposition: form-data; name=\"fileUpload\"\r\n\r\ncontent";
    // Never silent for long, but without end.
    let slow_body = async {
        let mut connection = connect(server).await;
        connection.write_all(head(&app, "Content-Length: 1000\r\n").as_bytes()).await.expect("a head");
        drip(&mut connection, std::iter::repeat_n(b'x', 1_000), Duration::from_millis(50)).await;
        rest(&mut connection).await.refuses("a slow body", 408, "too long");
    };
    tokio::join!(
        silent,
        slow_head,
        silent_between_requests,
        stalled_body("Content-Length: 1000\r\n", ""),
        stalled_body("Content-Length: 1000\r\n", "content"),
        stalled_body("Transfer-Encoding: chunked\r\n", "7\r\ncontent\r\n"),
        stalled_body("Content-Type: application/json\r\nContent-Length: 1000\r\n", "{"),
        stalled_body(form, ""),
        stalled_body(form, "--b\r\nContent-Disposition: form-data; name=\"path\"\r\n"),
        stalled_body(form, file),
        slow_body,
    );
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    watched.settles_to(&before).await;
    eventually("every connection is closed", async || connections(server).await == 1).await;
}

#[tokio::test]
async fn a_body_below_the_least_rate_is_refused() {
    let watched = Watched::start(&[("STOWAGE_LIMITS_RATE_GRACE", "1s")]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let mut connection = connect(server).await;
    connection.write_all(head(&app, "Content-Length: 1000\r\n").as_bytes()).await.expect("a head");
    drip(&mut connection, std::iter::repeat_n(b'x', 1_000), Duration::from_millis(100)).await;
    rest(&mut connection).await.refuses("ten bytes per second", 408, "too slowly");
    watched.settles_to(&before).await;
}

/// Open connections, the asking one included.
async fn connections(server: &Stowage) -> usize {
    let metrics = client().get(format!("{}/metrics", server.url())).send().await.expect("the server answers");
    let metrics = metrics.text().await.expect("text");
    let count = metrics.lines().find_map(|line| line.strip_prefix("stowage_connections "));
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {metrics}"))
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let watched = Watched::start(&[("STOWAGE_LIMITS_IDLE_TIMEOUT", "500ms")]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    // More than the kernel takes for a peer that does not read.
    let size = 48 << 20;
    let stored = store(server, &app, "", vec![7; size]).await;
    let mut connection = connect(server).await;
    let request = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", stored["handle"].as_str().expect("a handle"));
    connection.write_all(request.as_bytes()).await.expect("a request");
    connection.readable().await.expect("an answer begins");
    eventually("the connection is given up", async || connections(server).await == 1).await;
    let mut taken = Vec::new();
    let _ = connection.read_to_end(&mut taken).await;
    assert!(taken.len() < size, "all of it was sent");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let watched = Watched::start(&[("STOWAGE_LIMITS_MAX_CONNECTIONS", "3"), ("STOWAGE_LIMITS_HEADER_TIMEOUT", "1m")]);
    let server = &watched.server;
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = connect(server).await;
        connection.write_all(request).await.expect("a request");
        connection.readable().await.expect("an answer");
        held.push(connection);
    }
    let mut waiting = connect(server).await;
    waiting.write_all(request).await.expect("the kernel takes it");
    let early = timeout(Duration::from_millis(300), waiting.readable()).await;
    assert!(early.is_err(), "a fourth connection was served");
    held.pop();
    timeout(PATIENCE, waiting.readable()).await.expect("the place of the closed one is taken").expect("an answer");
    let mut answer = [0; 12];
    waiting.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn what_is_too_large_is_refused_as_early_as_possible() {
    let watched = Watched::start(&[("STOWAGE_LIMITS_MAX_FILE_SIZE", "4MiB")]);
    let server = &watched.server;
    let app = server.app("shop", &["--max-file-size", "2MiB"]);
    let roomy = server.app("roomy", &["--max-file-size", "1GiB"]);
    let before = watched.stored().await;
    let announced = |app: &App, size: u64, more: &str| head(app, &format!("Content-Length: {size}\r\n{more}"));
    let first_answer = async |request: String| {
        let mut connection = connect(server).await;
        connection.write_all(request.as_bytes()).await.expect("the head is taken");
        rest(&mut connection).await
    };
    // Not a byte of the body is sent, and none asked for.
    for (case, request) in [
        ("the app's limit", announced(&app, 10 << 30, "")),
        ("the server's limit", announced(&roomy, 10 << 30, "")),
        ("asked first", announced(&app, 3 << 20, "Expect: 100-continue\r\n")),
        ("asked first, much", announced(&app, 10 << 30, "Expect: 100-continue\r\n")),
    ] {
        let started = Instant::now();
        first_answer(request).await.refuses(case, 413, "limit of");
        assert!(started.elapsed() < Duration::from_secs(5), "{case}: {:?}", started.elapsed());
    }
    first_answer(announced(&app, 10, "Expect: 100-continue\r\n").replace(&app.key, "unknown"))
        .await
        .refuses("no key", 401, "API key");
    // No length, or a form, whose length says little.
    for (case, headers, beginning) in [
        ("chunked", "Transfer-Encoding: chunked\r\n".to_owned(), String::new()),
        (
            "form",
            "Transfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=b\r\n".to_owned(),
            "--b\r\nContent-Disposition: form-data; name=\"fileUpload\"\r\n\r\n".to_owned(),
        ),
    ] {
        let mut connection = connect(server).await;
        let beginning =
            if beginning.is_empty() { beginning } else { format!("{:x}\r\n{beginning}\r\n", beginning.len()) };
        connection.write_all((head(&app, &headers) + &beginning).as_bytes()).await.expect("a head");
        let (reading, mut writing) = connection.split();
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut sent = 0;
        // Without end, until the server answers.
        while writing.write_all(chunk.as_bytes()).await.is_ok()
            && timeout(Duration::ZERO, reading.readable()).await.is_err()
        {
            sent += 0x10000;
            assert!(sent < 64 << 20, "{case}: still taken after {sent} bytes");
        }
        rest(&mut connection).await.refuses(case, 413, "limit of");
    }
    let decoded = client().post(format!("{}/api/store/S3?key={}&base64decode=true", server.url(), app.key));
    let answer = Answer::of(decoded.body("QUFB".repeat(1 << 20)).send().await.expect("an answer")).await;
    answer.refuses("base64 of 3 MiB", 413, "limit of");
    watched.settles_to(&before).await;
    let stored = store(server, &app, "base64decode=true", "QUFB".repeat((2 << 20) / 3)).await;
    assert_eq!(stored["size"], (2 << 20) / 3 * 3, "the limit is that of the file, not of its base64");
    assert_eq!(store(server, &app, "", vec![7; 2 << 20]).await["size"], 2 << 20, "the limit itself is allowed");
}

/// Closing under a client that is still sending would reset the connection, and the client would never learn why.
#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_goes_on_sending() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &["--max-file-size", "1MiB"]);
    let before = watched.stored().await;
    let size = 48 << 20;
    let length = format!("Content-Length: {size}\r\n");
    let form = format!("{length}Content-Type: multipart/form-data; boundary=b\r\n");
    for (case, request, status) in [
        ("no key", head(&app, &length).replace(&app.key, "unknown"), 401),
        ("too large", head(&app, &length), 413),
        ("no form", head(&app, &form), 400),
    ] {
        let mut connection = connect(server).await;
        connection.write_all(request.as_bytes()).await.expect("the head is taken");
        connection.write_all(&vec![7; size]).await.expect(case);
        let answer = rest(&mut connection).await;
        assert_eq!(answer.status, status, "{case}: {answer:?}");
    }
    watched.settles_to(&before).await;
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_go_on() {
    let watched = Watched::start(&[]);
    let app = watched.server.app("shop", &[]);
    let mut connection = connect(&watched.server).await;
    connection.write_all(head(&app, "Content-Length: 7\r\nExpect: 100-continue\r\n").as_bytes()).await.expect("a head");
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).await.expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(b"content").await.expect("the body");
    assert_eq!(rest(&mut connection).await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_nothing() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let before = watched.stored().await;
    let file = "--b\r\nContent-Disposition: form-data; name=\"fileUpload\"\r\n\r\n";
    let large = "x".repeat(5 << 20);
    for (headers, beginning) in [
        ("Content-Length: 90000000\r\n", large.clone()),
        ("Content-Length: 1000\r\n", "content".to_owned()),
        ("Transfer-Encoding: chunked\r\n", format!("{:x}\r\n{large}\r\n", large.len())),
        ("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 90000000\r\n", format!("{file}{large}")),
    ] {
        for reset in [false, true] {
            let mut connection = connect(server).await;
            connection.write_all((head(&app, headers) + &beginning).as_bytes()).await.expect("the beginning is taken");
            if reset {
                // Pending bytes are thrown away and the peer gets a reset.
                connection.set_zero_linger().expect("a socket option");
            }
            drop(connection);
        }
    }
    eventually("every connection is closed", async || connections(server).await == 1).await;
    watched.settles_to(&before).await;
}

/// Peak resident memory of a process, bytes.
fn peak_memory(server: &Stowage) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    peak.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

#[tokio::test]
async fn memory_does_not_grow_with_the_file() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let block = vec![7; 1 << 20];
    let form = "--b\r\nContent-Disposition: form-data; name=\"fileUpload\"\r\n\r\n";
    for (headers, beginning, blocks, end) in
        [("", "", 512, ""), ("Content-Type: multipart/form-data; boundary=b\r\n", form, 128, "\r\n--b--\r\n")]
    {
        let length = beginning.len() + blocks * block.len() + end.len();
        let mut connection = connect(server).await;
        let request = head(&app, &format!("Content-Length: {length}\r\n{headers}")) + beginning;
        connection.write_all(request.as_bytes()).await.expect("the head is taken");
        for _ in 0..blocks {
            connection.write_all(&block).await.expect("the body is taken");
        }
        connection.write_all(end.as_bytes()).await.expect("the end is taken");
        let answer = rest(&mut connection).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let stored: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(stored["size"], blocks * block.len());
        let url = format!("{}/{}", server.url(), stored["handle"].as_str().expect("a handle"));
        let mut read = client().get(url).send().await.expect("an answer");
        let mut received = 0;
        while let Some(chunk) = read.chunk().await.expect("the bytes") {
            received += chunk.len();
        }
        assert_eq!(received, blocks * block.len());
        let peak = peak_memory(server);
        assert!(peak < 64 << 20, "{} MiB after {blocks} MiB", peak >> 20);
    }
    // Blanks in front of base64 are dropped, not gathered.
    let url = format!("{}/api/store/S3?key={}&base64decode=true", server.url(), app.key);
    let blanks = futures_util::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20])));
    let answer = client().post(url).body(reqwest::Body::wrap_stream(blanks)).send().await.expect("an answer");
    assert!(answer.status().is_success() || answer.status().is_client_error());
    let peak = peak_memory(server);
    assert!(peak < 64 << 20, "{} MiB after 64 MiB of blanks", peak >> 20);
}

/// Many large forms at once, none of which ends: what each may hold is bounded.
#[tokio::test]
async fn unfinished_forms_hold_little_memory() {
    let watched = Watched::start(&[]);
    let server = &watched.server;
    let app = server.app("shop", &[]);
    let beginning = "--b\r\nContent-Disposition: form-data; name=\"fileUpload\"; x=\"";
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut connection = connect(server).await;
        let headers = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000000\r\n";
        let request = head(&app, headers) + beginning + &"x".repeat(4 << 20);
        // Refused before all of it is taken.
        let _ = timeout(Duration::from_secs(1), connection.write_all(request.as_bytes())).await;
        open.push(connection);
    }
    let peak = peak_memory(server);
    assert!(peak < 128 << 20, "{} MiB", peak >> 20);
}
