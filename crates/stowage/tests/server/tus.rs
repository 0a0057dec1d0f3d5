//! tus 1.0: the core protocol and how it refuses. Its extensions, interruptions and other protocols are below.

mod across;
mod extensions;
mod interruptions;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::{
    hostile::files_stored,
    support::{
        App, HttpAnswer, Stowage, allowing, client, get, raw_request, send, server, server_with, signed, text_of,
    },
};

const MIB: usize = 1 << 20;

/// Bytes that differ from place to place.
pub(crate) fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}

/// A request of a tus client.
fn tus(method: Method, url: &str) -> RequestBuilder {
    client().request(method, url).header("Tus-Resumable", "1.0.0")
}

fn endpoint(server: &Stowage, app: &App) -> String {
    format!("{}/tus/?key={}", server.url(), app.key)
}

/// Begins an upload of a length and gives its URL.
pub(crate) async fn begin(server: &Stowage, app: &App, length: usize) -> String {
    let created = send(tus(Method::POST, &endpoint(server, app)).header("Upload-Length", length)).await.expect(201);
    created.header("location").to_owned()
}

fn patch(url: &str, offset: usize, content: &[u8]) -> RequestBuilder {
    tus(Method::PATCH, url)
        .header("Upload-Offset", offset)
        .header("Content-Type", "application/offset+octet-stream")
        .body(content.to_vec())
}

pub(crate) async fn append(url: &str, offset: usize, content: &[u8]) -> HttpAnswer {
    send(patch(url, offset, content)).await
}

pub(crate) async fn head(url: &str) -> HttpAnswer {
    send(tus(Method::HEAD, url)).await
}

async fn offset(url: &str) -> usize {
    head(url).await.expect(200).header("upload-offset").parse().expect("a number")
}

/// The content of the file that an answer names.
pub(crate) async fn content(server: &Stowage, finished: &HttpAnswer) -> Vec<u8> {
    get(server, &format!("/api/file/{}", finished.header("stowage-handle"))).await.expect(200).body
}

fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
    pairs.join(",")
}

#[tokio::test]
async fn options_tell_what_there_is() {
    let server = server_with(&[("STOWAGE_LIMITS_MAX_FILE_SIZE", "1MiB")]);
    for path in ["/tus", "/tus/", "/tus/0123456789abcdef0123456789abcdef"] {
        let answer = send(client().request(Method::OPTIONS, format!("{}{path}", server.url()))).await.expect(204);
        assert_eq!(answer.header("tus-version"), "1.0.0");
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
        assert_eq!(answer.header("tus-max-size"), "1048576");
        assert_eq!(answer.header("tus-checksum-algorithm"), "sha1,md5,sha256,crc32");
        assert_eq!(answer.header("upload-limit"), "min-size=0, max-size=1048576");
        assert!(answer.header("accept-patch").contains("application/partial-upload"));
        for extension in [
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "termination",
            "checksum",
            "expiration",
            "concatenation",
        ] {
            assert!(answer.header("tus-extension").split(',').any(|known| known == extension), "{extension}");
        }
    }
    let elsewhere = send(client().request(Method::OPTIONS, server.url())).await.expect(204);
    assert!(!elsewhere.headers.contains_key("tus-version"));
}

#[tokio::test]
async fn pages_may_send_and_read_the_headers() {
    let server = server();
    let lists = |answer: &HttpAnswer, name: &str| -> Vec<String> {
        answer.header(name).split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
    };
    let preflight = send(client().request(Method::OPTIONS, format!("{}/tus", server.url()))).await.expect(204);
    assert!(lists(&preflight, "access-control-allow-methods").contains(&"patch".to_owned()));
    let both = [
        "upload-length",
        "upload-offset",
        "upload-metadata",
        "upload-concat",
        "upload-defer-length",
        "upload-complete",
        "upload-incomplete",
        "upload-draft-interop-version",
        "tus-resumable",
    ];
    let allowed = lists(&preflight, "access-control-allow-headers");
    for header in both.iter().chain(&["upload-checksum", "x-http-method-override", "x-request-id"]) {
        assert!(allowed.contains(&(*header).to_owned()), "{header} is missing in {allowed:?}");
    }
    let app = server.app("page", &["--cors-origins", "https://www.example.com"]);
    let create = |origin: &str| {
        send(tus(Method::POST, &endpoint(&server, &app)).header("Upload-Length", 1).header("Origin", origin))
    };
    let answer = create("https://www.example.com").await.expect(201);
    let exposed = lists(&answer, "access-control-expose-headers");
    let told = ["location", "upload-expires", "upload-limit", "stowage-handle", "stowage-url", "tus-version"];
    for header in both.iter().chain(&told) {
        assert!(exposed.contains(&(*header).to_owned()), "{header} is missing in {exposed:?}");
    }
    create("https://evil.example").await.expect(403);
    let url = answer.header("location").to_owned();
    send(patch(&url, 0, b"x").header("Origin", "https://evil.example")).await.expect(403);
    send(patch(&url, 0, b"x").header("Origin", "https://www.example.com")).await.expect(204);
}

#[tokio::test]
async fn a_file_comes_in_pieces_and_is_stored_with_the_last() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(100_000, 3);
    let told = metadata(&[("filename", "söme name.bin"), ("filetype", "application/x-ab"), ("other", "kept")]);
    let request = tus(Method::POST, &format!("{}&path=docs/&access=private", endpoint(&server, &app)))
        .header("Upload-Length", whole.len())
        .header("Upload-Metadata", &told);
    let created = send(request).await.expect(201);
    assert_eq!(created.header("tus-resumable"), "1.0.0");
    assert!(!created.headers.contains_key("stowage-handle"));
    let url = created.header("location").to_owned();
    assert!(url.starts_with(&format!("{}/tus/", server.url())), "{url}");

    let before = head(&url).await.expect(200);
    assert_eq!(before.header("upload-offset"), "0");
    assert_eq!(before.header("upload-length"), "100000");
    assert_eq!(before.header("upload-metadata"), told);
    assert_eq!(before.header("cache-control"), "no-store");
    let piece = append(&url, 0, &whole[..60_000]).await.expect(204);
    assert_eq!(piece.header("upload-offset"), "60000");
    assert!(!piece.headers.contains_key("stowage-handle"));
    let progress = get(&server, url.strip_prefix(server.url()).expect("ours")).await.expect(200).json();
    assert_eq!((&progress["offset"], &progress["length"]), (&json!(60_000), &json!(100_000)));
    assert_eq!(files_stored(&server).await, 0, "nothing is visible before the last byte");

    let last = append(&url, 60_000, &whole[60_000..]).await.expect(204);
    assert_eq!(last.header("upload-offset"), "100000");
    assert_eq!(last.header("stowage-url"), format!("{}/{}", server.url(), last.header("stowage-handle")));
    assert!(content(&server, &last).await == whole, "the content is another");
    let after = head(&url).await.expect(200);
    assert_eq!(after.header("stowage-handle"), last.header("stowage-handle"));
    assert_eq!(after.header("upload-offset"), "100000");
    let file = get(&server, url.strip_prefix(server.url()).expect("ours")).await.expect(200).json();
    assert_eq!(text_of(&file, "filename"), "söme name.bin");
    assert_eq!(text_of(&file, "mimetype"), "application/x-ab");
    assert!(text_of(&file, "key").starts_with("docs/"), "{file}");
    // A repetition of what is done changes nothing, and nothing can be added.
    assert_eq!(append(&url, 100_000, b"").await.expect(204).header("stowage-handle"), last.header("stowage-handle"));
    append(&url, 60_000, b"").await.expect(409);
    assert_eq!(append(&url, 100_000, b"more").await.expect(409).json()["code"], "upload_complete");
    assert_eq!(files_stored(&server).await, 1);
}

#[tokio::test]
async fn versions_and_methods_are_told_apart() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = begin(&server, &app, 3).await;
    for version in ["0.2.2", "2.0.0", "", "1.0.0, 1.0.0"] {
        for (method, target) in
            [(Method::POST, endpoint(&server, &app)), (Method::PATCH, url.clone()), (Method::HEAD, url.clone())]
        {
            let request = client().request(method.clone(), &target).header("Tus-Resumable", version);
            let answer = send(request.header("Upload-Length", 1)).await.expect(412);
            assert_eq!(answer.header("tus-version"), "1.0.0", "{method} {version}");
            assert_eq!(answer.header("x-stowage-error"), "upload_protocol");
        }
    }
    // Nothing says which protocol this is.
    send(client().post(endpoint(&server, &app)).body("abc")).await.expect(412);
    send(client().patch(&url).body("abc")).await.expect(412);

    let overridden = patch(&url, 0, b"abc").build().expect("a request");
    let mut overridden = overridden;
    *overridden.method_mut() = Method::POST;
    overridden.headers_mut().insert("X-HTTP-Method-Override", "PATCH".parse().expect("a value"));
    let answer = client().execute(overridden).await.expect("the server answers");
    assert_eq!(
        (answer.status(), answer.headers()["upload-offset"].as_bytes()),
        (reqwest::StatusCode::NO_CONTENT, &b"3"[..])
    );
    send(tus(Method::POST, &url).header("X-HTTP-Method-Override", "DELETE")).await.expect(204);
    head(&url).await.expect(404);
    send(tus(Method::POST, &url)).await.expect(405);
    // Nowhere else does the header mean anything.
    let elsewhere = format!("{}/api/store/S3?key={}", server.url(), app.key);
    send(client().post(elsewhere).header("X-HTTP-Method-Override", "DELETE").body("abc")).await.expect(200);
}

#[tokio::test]
async fn bad_headers_are_named_and_begin_nothing() {
    let server = server();
    let app = server.app("uploads", &[]);
    let create = async |headers: &str| {
        let head = format!("POST /tus?key={} HTTP/1.1\nTus-Resumable: 1.0.0\n{headers}", app.key);
        raw_request(&server, &head, b"").await
    };
    for (headers, status, named) in [
        ("Upload-Length: -1", 400, "Upload-Length"),
        ("Upload-Length: +5", 400, "Upload-Length"),
        ("Upload-Length: 5 5", 400, "Upload-Length"),
        ("Upload-Length: 1e9", 400, "Upload-Length"),
        ("Upload-Length: 0x10", 400, "Upload-Length"),
        ("Upload-Length: 9223372036854775808", 413, "Upload-Length"),
        ("Upload-Length: 99999999999999999999999", 413, "Upload-Length"),
        ("Upload-Length: 9223372036854775807", 413, ""),
        ("Upload-Length: 5\nUpload-Length: 5", 400, "Upload-Length"),
        ("X-Nothing: 1", 400, "Upload-Length"),
        ("Upload-Defer-Length: 2", 400, "Upload-Defer-Length"),
        ("Upload-Length: 5\nUpload-Defer-Length: 1", 400, "Upload-Defer-Length"),
        ("Upload-Length: 5\nUpload-Metadata: a b c", 400, "Upload-Metadata"),
        ("Upload-Length: 5\nUpload-Metadata: a YQ==,a YQ==", 400, "Upload-Metadata"),
        ("Upload-Length: 5\nUpload-Metadata: a YQ==\nUpload-Metadata: b YQ==", 400, "Upload-Metadata"),
        ("Upload-Length: 5\nUpload-Concat: nothing", 400, "Upload-Concat"),
        ("Upload-Length: 5\nUpload-Concat: final;/tus/0123456789abcdef0123456789abcdef", 400, "Upload-Length"),
        ("Upload-Concat: final;../../etc/passwd", 400, "Upload-Concat"),
        ("Upload-Concat: final;/tus/..%2f..%2fetc", 404, "upload"),
    ] {
        let answer = create(headers).await.expect(status);
        assert!(answer.text().contains(named), "{headers}: {}", answer.text());
        assert_eq!(answer.header("tus-resumable"), "1.0.0");
    }
    for (query, status) in [("path=../x", 400), ("location=nowhere", 400), ("base64decode=true", 400), ("key=", 400)] {
        let url = format!("{}/tus?{query}&key={}", server.url(), if query == "key=" { "" } else { &app.key });
        send(tus(Method::POST, &url).header("Upload-Length", 5)).await.expect(status);
    }
    send(tus(Method::POST, &format!("{}/tus?key=unknown", server.url())).header("Upload-Length", 5)).await.expect(401);
    let uploads = std::fs::read_dir(server.data().join("uploads")).expect("the directory is there").count();
    assert_eq!((uploads, files_stored(&server).await), (0, 0));
}

#[tokio::test]
async fn bad_pieces_are_refused_and_the_upload_goes_on() {
    let server = server();
    let app = server.app("uploads", &[]);
    let url = begin(&server, &app, 10).await;
    append(&url, 0, b"abc").await.expect(204);
    for wrong in [0, 2, 4, 10, 11] {
        assert_eq!(append(&url, wrong, b"x").await.expect(409).json()["code"], "upload_offset");
    }
    for text in ["-3", "+3", "3.0", "", "three"] {
        let request = tus(Method::PATCH, &url).header("Content-Type", "application/offset+octet-stream");
        let answer = send(request.header("Upload-Offset", text).body("x")).await.expect(400);
        assert!(answer.text().contains("Upload-Offset"), "{}", answer.text());
    }
    let untold = tus(Method::PATCH, &url).header("Content-Type", "application/offset+octet-stream");
    send(untold.body("x")).await.expect(400);
    for kind in ["text/plain", "application/octet-stream", "application/partial-upload"] {
        let request = tus(Method::PATCH, &url).header("Upload-Offset", 3).header("Content-Type", kind).body("x");
        assert_eq!(send(request).await.expect(415).json()["code"], "upload_content_type");
    }
    // Beyond the end: announced, and found out while reading.
    assert_eq!(append(&url, 3, b"12345678").await.expect(413).json()["code"], "too_large");
    let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 8])]));
    let request = tus(Method::PATCH, &url).header("Upload-Offset", 3);
    send(request.header("Content-Type", "application/offset+octet-stream").body(streamed)).await.expect(413);
    // Two lengths.
    let request = patch(&url, 3, b"defg").header("Upload-Length", 11);
    assert!(send(request).await.expect(400).text().contains("Upload-Length"));
    assert_eq!(offset(&url).await, 3);
    let last = append(&url, 3, b"defghij").await.expect(204);
    assert_eq!(content(&server, &last).await, b"abcdefghij");
    for (method, id) in
        [(Method::HEAD, "0123456789abcdef0123456789abcdef"), (Method::PATCH, "..%2f..%2fetc"), (Method::DELETE, "x")]
    {
        let request = tus(method, &format!("{}/tus/{id}", server.url())).header("Upload-Offset", 0);
        send(request.header("Content-Type", "application/offset+octet-stream")).await.expect(404);
    }
}

#[tokio::test]
async fn an_upload_begins_only_with_what_the_app_demands() {
    let server = server();
    let app = server.app("secured", &["--security", "--allowed-mime-types", "image/*"]);
    let other = server.app("other", &[]);
    let create = async |query: &str, kind: &str| {
        let request = tus(Method::POST, &format!("{}&{query}", endpoint(&server, &app))).header("Upload-Length", 10);
        send(request.header("Upload-Metadata", metadata(&[("filetype", kind)]))).await
    };
    let code = |answer: HttpAnswer| answer.json()["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(code(create("", "image/png").await.expect(403)), "policy_missing");
    assert_eq!(code(create(&signed(&other, &allowing(&["pick"])), "image/png").await.expect(403)), "policy_signature");
    assert_eq!(code(create(&signed(&app, &allowing(&["read"])), "image/png").await.expect(403)), "policy_call");
    let bounded = |bounds: &str| signed(&app, &format!(r#"{{"expiry":4102444800,"call":["pick"],{bounds}}}"#));
    assert_eq!(code(create(&bounded(r#""maxSize":9"#), "image/png").await.expect(403)), "policy_max_size");
    assert_eq!(code(create(&bounded(r#""minSize":11"#), "image/png").await.expect(403)), "policy_min_size");
    assert_eq!(code(create(&bounded(r#""path":"/a/""#), "image/png").await.expect(403)), "policy_mismatch");
    assert_eq!(code(create(&signed(&app, &allowing(&["pick"])), "text/html").await.expect(400)), "type_not_allowed");

    let url = create(&signed(&app, &allowing(&["store"])), "image/png").await.expect(201).header("location").to_owned();
    // The id is the key to it; a wrong policy or another app's key is none.
    append(&format!("{url}?{}", signed(&other, &allowing(&["pick"]))), 0, b"%").await.expect(403);
    append(&format!("{url}?key={}", other.key), 0, b"%").await.expect(404);
    send(tus(Method::DELETE, &format!("{url}?key={}", other.key))).await.expect(404);
    append(&format!("{url}?key={}", app.key), 0, b"%").await.expect(204);
    // What it is shows in the whole beginning, however small the first piece was.
    assert_eq!(code(append(&url, 1, b"PDF-1.7\n%").await.expect(400)), "type_not_allowed");
    assert_eq!(head(&url).await.status, 400);
    assert_eq!(files_stored(&server).await, 0);
}
