//! `src://NAME/path`: objects that never passed through Stowage, as sources and straight to readers.

use serde_json::json;

use super::{Backend, on_every_provider};
use crate::{
    hostile::{encoded, files_stored, objects},
    support::{App, HttpAnswer, Stowage, client, get, post, raw_request, send, server, text_of},
};

on_every_provider!(objects: [
    objects_are_delivered,
    objects_have_dates_and_metadata,
    objects_are_sources
]);

fn start(backend: &Backend) -> (Stowage, App) {
    let server = server();
    let app = server.app("shop", &[]);
    backend.add_as(&server, &app, "archive", &backend.settings);
    (server, app)
}

async fn get_with(server: &Stowage, path: &str, name: &str, value: &str) -> HttpAnswer {
    send(client().get(format!("{}{path}", server.url())).header(name, value)).await
}

async fn objects_are_delivered(backend: &Backend) {
    const CONTENT: &[u8] = b"0123456789 the content";
    let (server, app) = start(backend);
    backend.put("old/r\u{e4}port 1.txt", "text/plain", CONTENT).await;
    backend.put("empty.txt", "text/plain", b"").await;
    backend.put("untyped.png", "application/octet-stream", b"no picture").await;
    backend.put("page.html", "text/html", b"<script>alert(1)</script>").await;
    let path = format!("/{}/src://archive/old/r%C3%A4port%201.txt", app.key);

    let whole = get(&server, &path).await.expect(200);
    assert_eq!(whole.body, CONTENT);
    assert_eq!((whole.header("content-type"), whole.header("content-length")), ("text/plain", "22"));
    assert_eq!(
        whole.header("content-disposition"),
        "inline; filename=\"r_port 1.txt\"; filename*=UTF-8''r%C3%A4port%201.txt"
    );
    assert_eq!((whole.header("cache-control"), whole.header("accept-ranges")), ("public, max-age=2592000", "bytes"));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    let head = raw_request(&server, &format!("HEAD {path} HTTP/1.1"), b"").await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("22", 0));
    assert_eq!(head.header("etag"), whole.header("etag"));
    let empty = get(&server, &format!("/{}/src://archive/empty.txt", app.key)).await.expect(200);
    assert_eq!((empty.header("content-length"), empty.body.len()), ("0", 0));

    let part = get_with(&server, &path, "Range", "bytes=2-4").await.expect(206);
    assert_eq!((part.text(), part.header("content-range")), ("234", "bytes 2-4/22"));
    let several = get_with(&server, &path, "Range", "bytes=0-1,-7").await.expect(206);
    assert!(several.text().contains("bytes 15-21/22\r\n\r\ncontent\r\n"), "{}", several.text());
    let outside = get_with(&server, &path, "Range", "bytes=22-").await.expect(416);
    assert_eq!(outside.header("content-range"), "bytes */22");
    let tag = whole.header("etag");
    let unmodified = get_with(&server, &path, "If-None-Match", tag).await.expect(304);
    assert!(unmodified.body.is_empty());
    get_with(&server, &path, "If-None-Match", "\"another\"").await.expect(200);
    let request = client().get(format!("{}{path}", server.url())).header("Range", "bytes=2-4");
    send(request.header("If-Range", "\"another\"")).await.expect(200);

    backend.put("old/r\u{e4}port 1.txt", "text/plain", b"another content").await;
    let changed = get_with(&server, &path, "If-None-Match", tag).await.expect(200);
    assert_eq!(changed.text(), "another content", "nothing is remembered of an object that others change");
    assert_ne!(changed.header("etag"), tag);

    let tasks = "cache=expiry:60/content=filename:new.csv,type:%22text/csv%22";
    let shaped = get(&server, &format!("/{}/{tasks}/src://archive/old/r%C3%A4port%201.txt?dl=true", app.key)).await;
    let shaped = shaped.expect(200);
    assert_eq!((shaped.header("content-type"), shaped.header("cache-control")), ("text/csv", "public, max-age=60"));
    assert!(shaped.header("content-disposition").starts_with("attachment; filename=\"new.csv\""));
    let named = get(&server, &format!("/{}/%22src://archive/untyped.png%22", app.key)).await.expect(200);
    assert_eq!(named.header("content-type"), "image/png", "the name says what the provider does not know");
    let page = get(&server, &format!("/{}/src://archive/page.html", app.key)).await.expect(200);
    assert!(page.header("content-disposition").starts_with("attachment"), "{page:?}");
    assert!(page.header("content-security-policy").contains("sandbox"), "{page:?}");
    assert_eq!((files_stored(&server).await, objects(server.data()).len()), (0, 0), "nothing is kept of it");
}

async fn objects_have_dates_and_metadata(backend: &Backend) {
    let (server, app) = start(backend);
    backend.put("dated/a b.txt", "text/plain", b"0123456789").await;
    let source = "src://archive/dated/a%20b.txt";
    let path = format!("/{}/{source}", app.key);
    let whole = get(&server, &path).await.expect(200);
    let date = whole.header("last-modified").to_owned();
    let modified = httpdate::parse_http_date(&date).expect("a date of HTTP");
    get_with(&server, &path, "If-Modified-Since", &date).await.expect(304);
    get_with(&server, &path, "If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT").await.expect(200);

    let facts = get(&server, &format!("/{}/metadata/{source}", app.key)).await.expect(200).json();
    let since = modified.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let expected = json!({
        "size": 10, "mimetype": "text/plain", "filename": "a b.txt", "uploaded": since.as_secs() * 1000,
        "writeable": false, "path": "dated/a b.txt", "key": "dated/a b.txt",
    });
    assert_eq!(facts, expected);
    for asked in [
        format!("/{}/metadata=[size,md5]/{source}", app.key),
        format!("/{}/metadata/{source}?size=true&md5=true", app.key),
    ] {
        let facts = get(&server, &asked).await.expect(200).json();
        assert_eq!(facts, json!({ "size": 10, "md5": null }), "{asked}");
    }
    get(&server, &format!("/{}/metadata/src://archive/dated/missing.txt", app.key)).await.expect(404);
    get(&server, &format!("/{}/metadata/https://example.com/a.txt", app.key)).await.expect(400);
}

async fn objects_are_sources(backend: &Backend) {
    let (server, app) = start(backend);
    backend.put("old/report.csv", "text/csv", b"a,b\n").await;
    let source = "src://archive/old/report.csv";
    let form = format!("/api/store/local?key={}&url={}", app.key, encoded(source));
    let by_form = post(&server, &form, "").await.expect(200).json();
    let command = json!({ "apikey": app.key, "sources": [source], "tasks": [{ "name": "store" }] });
    let process = client().post(format!("{}/process", server.url())).header("Content-Type", "application/json");
    let by_process = send(process.body(command.to_string())).await.expect(200).json();
    let by_path = get(&server, &format!("/{}/store=path:%22in/%22/{source}", app.key)).await.expect(200).json();
    assert!(text_of(&by_path, "key").starts_with("in/"), "{by_path}");
    for stored in [by_form, by_process, by_path] {
        assert_eq!((&stored["filename"], &stored["size"]), (&json!("report.csv"), &json!(4)), "{stored}");
        let url = text_of(&stored, "url");
        let read = send(client().get(url)).await.expect(200);
        assert_eq!((read.text(), read.header("content-type")), ("a,b\n", "text/csv"));
    }
    assert_eq!(files_stored(&server).await, 3);

    let missing = "src://archive/old/missing.csv";
    for answer in [
        post(&server, &format!("/api/store/local?key={}&url={}", app.key, encoded(missing)), "").await,
        get(&server, &format!("/{}/store/{missing}", app.key)).await,
        get(&server, &format!("/{}/{missing}", app.key)).await,
        raw_request(&server, &format!("HEAD /{}/{missing} HTTP/1.1", app.key), b"").await,
    ] {
        assert_eq!(answer.expect(404).header("x-stowage-error"), "file_not_found");
    }
    assert_eq!(files_stored(&server).await, 3);
}
