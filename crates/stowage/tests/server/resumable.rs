//! The IETF draft "Resumable Uploads for HTTP" in the versions that clients speak.

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    hostile::{eventually, files_stored},
    support::{App, HttpAnswer, Stowage, allowing, client, get, send, server, server_with, signed, text_of},
    tus,
};

const MIB: usize = 1 << 20;

/// All interop versions with the name and the values of the header that says whether the upload ends.
const VERSIONS: [(u16, &str, &str, &str); 6] = [
    (3, "upload-incomplete", "?0", "?1"),
    (4, "upload-complete", "?1", "?0"),
    (5, "upload-complete", "?1", "?0"),
    (6, "upload-complete", "?1", "?0"),
    (7, "upload-complete", "?1", "?0"),
    (8, "upload-complete", "?1", "?0"),
];

fn endpoint(server: &Stowage, app: &App) -> String {
    format!("{}/tus?key={}", server.url(), app.key)
}

fn request(method: Method, url: &str, version: u16) -> RequestBuilder {
    client().request(method, url).header("Upload-Draft-Interop-Version", version)
}

/// Appends as clients of the newest version do.
async fn append(url: &str, offset: usize, complete: &str, content: impl Into<reqwest::Body>) -> HttpAnswer {
    let request = request(Method::PATCH, url, 8).header("Upload-Offset", offset).header("Upload-Complete", complete);
    send(request.header("Content-Type", "application/partial-upload").body(content)).await
}

async fn begin(server: &Stowage, app: &App, length: Option<usize>) -> String {
    let mut request = request(Method::POST, &endpoint(server, app), 8).header("Upload-Complete", "?0");
    if let Some(length) = length {
        request = request.header("Upload-Length", length);
    }
    send(request).await.expect(201).header("location").to_owned()
}

async fn head(url: &str) -> HttpAnswer {
    send(request(Method::HEAD, url, 8)).await
}

/// A refusal with a problem type.
#[track_caller]
fn problem(answer: HttpAnswer, status: u16, name: &str) -> serde_json::Value {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("upload-complete"), "?0");
    let told: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(told["type"], format!("https://iana.org/assignments/http-problem-types#{name}"));
    told
}

#[tokio::test]
async fn every_version_uploads_in_pieces() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = tus::bytes(100_000, 5);
    for (version, name, ends, goes_on) in VERSIONS {
        let create = request(Method::POST, &endpoint(&server, &app), version)
            .header(name, goes_on)
            .header("Content-Disposition", "inline; filename=\"some name.bin\"")
            .header("Content-Type", "application/x-ab")
            .body(whole[..20_000].to_vec());
        let created = send(create).await.expect(201);
        assert_eq!(created.header(name), goes_on, "{version}");
        assert_eq!(created.header("upload-offset"), "20000");
        assert_eq!(created.header("upload-draft-interop-version"), version.to_string());
        assert!(created.header("upload-limit").starts_with("min-size=0, max-size="), "{version}");
        let url = created.header("location");
        let piece = |offset: usize, flag: &str, content: &[u8]| {
            let request = request(Method::PATCH, url, version).header(name, flag).header("Upload-Offset", offset);
            let request = match version {
                6.. => request.header("Content-Type", "application/partial-upload"),
                _ => request,
            };
            send(request.body(content.to_vec()))
        };
        let next = piece(20_000, goes_on, &whole[20_000..50_000]).await.expect(204);
        assert_eq!((next.header(name), next.header("upload-offset")), (goes_on, "50000"));
        let told = send(request(Method::HEAD, url, version)).await.expect(204);
        assert_eq!((told.header(name), told.header("upload-offset")), (goes_on, "50000"));
        assert_eq!(told.header("cache-control"), "no-store");
        assert!(!told.headers.contains_key("upload-length"));
        let stored = piece(50_000, ends, &whole[50_000..]).await.expect(200);
        assert_eq!(stored.header(name), ends, "{version}");
        let file = stored.json();
        assert_eq!((text_of(&file, "filename"), text_of(&file, "mimetype")), ("some name.bin", "application/x-ab"));
        assert_eq!(stored.header("stowage-handle"), text_of(&file, "handle"));
        assert!(tus::content(&server, &stored).await == whole, "the content is another");
        let told = send(request(Method::HEAD, url, version)).await.expect(204);
        assert_eq!((told.header(name), told.header("upload-length")), (ends, "100000"));
        // The answer was lost, and the client asks again.
        assert_eq!(piece(100_000, ends, b"").await.expect(200).json(), file);
    }
}

#[tokio::test]
async fn a_whole_file_in_one_request_is_answered_as_a_plain_upload() {
    let server = server();
    let app = server.app("uploads", &[]);
    for (version, name, ends, _) in VERSIONS {
        for method in [Method::POST, Method::PUT] {
            let create = request(method, &endpoint(&server, &app), version).header(name, ends);
            let stored = send(create.header("Upload-Length", 5).body("hello")).await.expect(200);
            assert_eq!((stored.header(name), text_of(&stored.json(), "status")), (ends, "Stored"));
            assert_eq!(tus::content(&server, &stored).await, b"hello");
            // What some clients read even here.
            assert_eq!(stored.header("upload-offset"), "5");
            assert!(stored.header("location").contains("/tus/"));
        }
    }
    // The coming RFC has no interop version.
    let bare =
        send(client().post(endpoint(&server, &app)).header("Upload-Complete", "?1").body("hello")).await.expect(200);
    assert_eq!(tus::content(&server, &bare).await, b"hello");
    let empty =
        send(request(Method::POST, &endpoint(&server, &app), 8).header("Upload-Complete", "?1")).await.expect(200);
    assert!(tus::content(&server, &empty).await.is_empty());
    // A body of unknown length.
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(b"hello".to_vec())]));
    let create = request(Method::POST, &endpoint(&server, &app), 8).header("Upload-Complete", "?1");
    assert_eq!(tus::content(&server, &send(create.body(body)).await.expect(200)).await, b"hello");
}

/// As the servers of those versions have it; since then only the client's word ends an upload.
#[tokio::test]
async fn the_announced_length_ends_old_versions_only() {
    let server = server();
    let app = server.app("uploads", &[]);
    for (version, name, ends, goes_on) in VERSIONS {
        let create = request(Method::POST, &endpoint(&server, &app), version).header(name, goes_on);
        let created = send(create.header("Upload-Length", 5)).await.expect(201);
        let piece = request(Method::PATCH, created.header("location"), version)
            .header(name, goes_on)
            .header("Upload-Offset", 0)
            .header("Content-Type", "application/partial-upload");
        let answer = send(piece.body("hello")).await;
        let told = send(request(Method::HEAD, created.header("location"), version)).await.expect(204);
        if version <= 6 {
            assert_eq!((answer.expect(200).header(name), told.header(name)), (ends, ends), "{version}");
        } else {
            assert_eq!((answer.expect(204).header(name), told.header(name)), (goes_on, goes_on), "{version}");
            let last = append(created.header("location"), 5, "?1", "").await.expect(200);
            assert_eq!(tus::content(&server, &last).await, b"hello");
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_problem_type() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = begin(&server, &app, Some(10)).await;
    append(&url, 0, "?0", "hello").await.expect(204);
    for wrong in [0, 4, 6, 10] {
        let answer = append(&url, wrong, "?0", "x").await;
        assert_eq!(answer.header("upload-offset"), "5");
        let told = problem(answer, 409, "mismatching-upload-offset");
        assert_eq!((&told["expected-offset"], &told["provided-offset"]), (&json!(5), &json!(wrong)));
    }
    // An end that is none, two lengths, more than announced.
    problem(append(&url, 5, "?1", "worl").await, 400, "inconsistent-upload-length");
    problem(append(&url, 5, "?1", "").await, 400, "inconsistent-upload-length");
    let patch = |offset: usize| {
        request(Method::PATCH, &url, 8)
            .header("Upload-Complete", "?0")
            .header("Upload-Offset", offset)
            .header("Content-Type", "application/partial-upload")
    };
    problem(send(patch(5).header("Upload-Length", 11).body("x")).await, 400, "inconsistent-upload-length");
    append(&url, 5, "?0", "world!").await.expect(413);
    let create = request(Method::POST, &endpoint(&server, &app), 8).header("Upload-Complete", "?1");
    problem(send(create.header("Upload-Length", 6).body("hello")).await, 400, "inconsistent-upload-length");

    // Headers and type.
    for (name, value) in [("Upload-Length", "-1"), ("Upload-Length", "1e9"), ("Upload-Length", "?1")] {
        let answer = send(patch(5).header(name, value).body("x")).await.expect(400);
        assert!(answer.text().contains(name), "{}", answer.text());
    }
    for (offset, complete, kind, status) in [
        ("-5", "?0", "application/partial-upload", 400),
        ("5", "1", "application/partial-upload", 400),
        ("5", "true", "application/partial-upload", 400),
        ("5", "?0", "application/octet-stream", 415),
    ] {
        let request =
            request(Method::PATCH, &url, 8).header("Upload-Offset", offset).header("Upload-Complete", complete);
        let answer = send(request.header("Content-Type", kind).body("x")).await.expect(status);
        assert_eq!(answer.header("upload-complete"), "?0");
    }
    send(request(Method::POST, &endpoint(&server, &app), 8)).await.expect(400);
    assert_eq!(head(&url).await.expect(204).header("upload-offset"), "5");

    append(&url, 5, "?1", "world").await.expect(200);
    for (offset, complete, content) in [(10, "?1", "x"), (10, "?0", ""), (5, "?1", "world")] {
        problem(append(&url, offset, complete, content).await, 400, "completed-upload");
    }
    assert_eq!(files_stored(&server).await, 1);
}

#[tokio::test]
async fn a_body_with_another_digest_is_not_kept() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = begin(&server, &app, None).await;
    let hello_world = "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:";
    let piece = |digest: &'static str, content: &'static str| {
        let request = request(Method::PATCH, &url, 8).header("Upload-Offset", 0).header("Upload-Complete", "?1");
        send(
            request.header("Content-Type", "application/partial-upload").header("Content-Digest", digest).body(content),
        )
    };
    assert_eq!(piece(hello_world, "hello").await.expect(400).json()["code"], "checksum_mismatch");
    assert!(piece("sha-256=hello", "hello").await.expect(400).text().contains("Content-Digest"));
    assert_eq!(head(&url).await.expect(204).header("upload-offset"), "0");
    piece(hello_world, "hello world").await.expect(200);
}

#[tokio::test]
async fn unknown_versions_and_strangers_are_refused() {
    let server = server();
    let app = server.app("secured", &["--security"]);
    let other = server.app("other", &[]);
    let target = format!("{}&{}", endpoint(&server, &app), signed(&app, &allowing(&["pick"])));
    for version in ["2", "9", "-1", "six", "", "6, 6"] {
        let request = client().post(&target).header("Upload-Draft-Interop-Version", version);
        let answer = send(request.header("Upload-Complete", "?1").body("x")).await.expect(400);
        assert_eq!(answer.json()["code"], "upload_protocol");
    }
    // Every form of creation needs the signature.
    for (version, name, ends, _) in VERSIONS {
        let create = request(Method::POST, &endpoint(&server, &app), version).header(name, ends).body("x");
        assert_eq!(send(create).await.expect(403).json()["code"], "policy_missing");
    }
    let bare = client().put(endpoint(&server, &app)).header("Upload-Complete", "?1").body("x");
    send(bare).await.expect(403);
    let created = send(request(Method::POST, &target, 8).header("Upload-Complete", "?0")).await.expect(201);
    let url = created.header("location");
    append(&format!("{url}?key={}", other.key), 0, "?1", "x").await.expect(404);
    send(request(Method::HEAD, &format!("{url}?key={}", other.key), 8)).await.expect(404);
    assert_eq!(files_stored(&server).await, 0);
    append(url, 0, "?1", "x").await.expect(200);
}

#[tokio::test]
async fn limits_are_told_and_kept() {
    let server = server_with(&[("STOWAGE_LIMITS_MAX_FILE_SIZE", "20B"), ("STOWAGE_LIMITS_UPLOAD_LIFETIME", "1h")]);
    let app = server.app("uploads", &["--max-file-size", "10B"]);
    let url = begin(&server, &app, None).await;
    let told = head(&url).await.expect(204);
    let limit = told.header("upload-limit");
    let (sizes, age) = limit.split_once(", max-age=").expect("how long it lives");
    assert_eq!(sizes, "min-size=0, max-size=10");
    assert!((3500..=3600).contains(&age.parse::<u64>().expect("seconds")), "{age}");
    let create = request(Method::POST, &endpoint(&server, &app), 8).header("Upload-Complete", "?0");
    send(create.header("Upload-Length", 11)).await.expect(413);
    append(&url, 0, "?1", "hello world").await.expect(413);
    append(&url, 0, "?1", "hello").await.expect(200);
}

#[tokio::test]
async fn an_upload_can_be_cancelled_and_looked_at() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = begin(&server, &app, None).await;
    append(&url, 0, "?0", "hello").await.expect(204);
    let path = url.strip_prefix(server.url()).expect("ours");
    let seen = get(&server, path).await.expect(200);
    assert_eq!((seen.header("upload-offset"), seen.header("upload-complete")), ("5", "?0"));
    assert_eq!(seen.json()["length"], json!(null));
    send(request(Method::DELETE, &url, 8)).await.expect(204);
    head(&url).await.expect(404);
    append(&url, 5, "?1", "").await.expect(404);
    let url = begin(&server, &app, None).await;
    send(client().delete(&url)).await.expect(204);
    head(&url).await.expect(404);
}

async fn stalled(server: &Stowage, url: &str, announced: usize, sent: &[u8]) -> TcpStream {
    let path = url.strip_prefix(server.url()).expect("ours");
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: {}\r\nUpload-Draft-Interop-Version: 8\r\nUpload-Complete: ?1\r\nUpload-Offset: 0\r\n\
         Content-Type: application/partial-upload\r\nContent-Length: {announced}\r\n\r\n",
        server.address()
    );
    let mut connection = TcpStream::connect(server.address()).await.expect("the server listens");
    connection.write_all(head.as_bytes()).await.expect("the head is taken");
    connection.write_all(sent).await.expect("the bytes are taken");
    connection
}

#[tokio::test]
async fn an_offset_that_is_told_holds_however_the_older_request_hangs() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = tus::bytes(10 * MIB, 7);
    let url = begin(&server, &app, None).await;
    let mut older = stalled(&server, &url, whole.len(), &whole[..9 * MIB]).await;
    let received =
        async || get(&server, url.strip_prefix(server.url()).expect("ours")).await.json()["received"].as_u64();
    // A tus client only watches; it stops nobody.
    eventually("the first part is there", async || {
        tus::head(&url).await.header("upload-offset").parse() == Ok(8 * MIB)
    })
    .await;
    let told = head(&url).await.expect(204);
    let mut answer = String::new();
    let _ = older.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 409 "), "{answer}");
    let start: usize = told.header("upload-offset").parse().expect("a number");
    assert!((8 * MIB..=9 * MIB).contains(&start), "{start}");
    assert_eq!(received().await, Some(start as u64));
    let last = append(&url, start, "?1", whole[start..].to_vec()).await.expect(200);
    assert!(tus::content(&server, &last).await == whole, "the content is another");
}

#[tokio::test]
async fn what_tus_begins_a_draft_finishes_and_the_other_way_round() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = tus::begin(&server, &app, 11).await;
    tus::append(&url, 0, b"hello").await.expect(204);
    assert_eq!(head(&url).await.expect(204).header("upload-length"), "11");
    let last = append(&url, 5, "?1", " world").await.expect(200);
    assert_eq!(tus::head(&url).await.expect(200).header("stowage-handle"), last.header("stowage-handle"));

    let url = begin(&server, &app, Some(11)).await;
    append(&url, 0, "?0", "hello").await.expect(204);
    let last = tus::append(&url, 5, b" world").await.expect(204);
    assert_eq!(head(&url).await.expect(204).header("upload-complete"), "?1");
    assert_eq!(tus::content(&server, &last).await, b"hello world");
}
