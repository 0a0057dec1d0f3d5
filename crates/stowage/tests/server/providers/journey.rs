//! From every body form to the provider, back through our URL, overwritten, deleted.

use serde_json::Value;
use stowage_testkit::{Origin, Reply};

use super::{Backend, fetching_server, on_every_provider};
use crate::{
    hostile::{encoded, eventually, files_stored, objects},
    support::{App, HttpAnswer, Stowage, client, get, multipart, post, send, text_of},
};

on_every_provider!(files: [
    containers_are_those_of_the_settings,
    overwrite_and_delete_reach_the_provider,
    every_form_arrives_and_comes_back,
    large_files_and_their_ranges
]);

fn start(backend: &Backend) -> (Stowage, App) {
    let server = fetching_server();
    let app = server.app("shop", &[]);
    backend.add_to(&server, &app);
    (server, app)
}

fn store_path(backend: &Backend, app: &App, query: &str) -> String {
    format!("/api/store/{}?key={}&{query}", backend.location, app.key)
}

async fn store(
    backend: &Backend,
    server: &Stowage,
    app: &App,
    query: &str,
    content: impl Into<reqwest::Body>,
) -> Value {
    post(server, &store_path(backend, app, query), content).await.expect(200).json()
}

async fn read_range(server: &Stowage, stored: &Value, range: &str) -> HttpAnswer {
    let url = format!("{}/{}", server.url(), text_of(stored, "handle"));
    send(client().get(url).header("Range", range)).await
}

async fn every_form_arrives_and_comes_back(backend: &Backend) {
    const CONTENT: &[u8] = b"{\"text\":\"hello world\"}";
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("application/json", CONTENT)).await;
    let (server, app) = start(backend);
    let (form_type, form) =
        multipart(&[(r#"name="fileUpload"; filename="a form.json""#, Some("application/json"), CONTENT)]);
    let post = |query: &str, content_type: &str, body: Vec<u8>| {
        let url = format!("{}{}", server.url(), store_path(backend, &app, query));
        client().post(url).header("Content-Type", content_type).body(body)
    };
    let requests = [
        ("form", post("path=/a%20folder/", &form_type, form)),
        ("raw", post("path=exact/r%C3%A4w.json", "application/json", CONTENT.to_vec())),
        (
            "base64",
            post("base64decode=true&filename=b.json", "application/json", b"eyJ0ZXh0IjoiaGVsbG8gd29ybGQifQ==".to_vec()),
        ),
        (
            "url",
            post(
                "path=from/the/web/",
                "application/x-www-form-urlencoded",
                format!("url={}", encoded(&origin.url("/c.json"))).into(),
            ),
        ),
    ];
    let mut keys = Vec::new();
    for (form, request) in requests {
        let stored = send(request).await.expect(200).json();
        let key = text_of(&stored, "key").to_owned();
        assert_eq!(stored["container"], "files", "{form}");
        let (content, media_type) = backend.object("files", &key).await.unwrap_or_else(|| panic!("{form}: no {key}"));
        assert_eq!(content, CONTENT, "{form}");
        assert!(media_type.is_none_or(|kept| kept == "application/json"), "{form}: the provider keeps the type");

        let whole = get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200);
        assert_eq!((&whole.body[..], whole.header("content-type")), (CONTENT, "application/json"), "{form}");
        let part = read_range(&server, &stored, "bytes=9-13").await.expect(206);
        assert_eq!((part.text(), part.header("content-range")), ("hello", "bytes 9-13/22"), "{form}");
        keys.push(key);
    }
    assert!(keys[0].starts_with("a folder/") && keys[0].ends_with("_a form.json"), "{}", keys[0]);
    assert_eq!(keys[1], "exact/räw.json");
    assert!(!keys[2].contains('/') && keys[2].ends_with("_b.json"), "{}", keys[2]);
    assert!(keys[3].starts_with("from/the/web/") && keys[3].ends_with("_c.json"), "{}", keys[3]);
    assert!(objects(server.data()).is_empty(), "nothing of it is kept here");
}

async fn large_files_and_their_ranges(backend: &Backend) {
    if !backend.takes_parts {
        return;
    }
    let (server, app) = start(backend);
    let content: Vec<u8> = (0..3 * 1024 * 1024_u32).flat_map(u32::to_le_bytes).collect();
    let chunks: Vec<_> = content.chunks(1 << 20).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    let announced = store(backend, &server, &app, "filename=a.bin", content.clone()).await;
    let of_unknown_length = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let streamed = store(backend, &server, &app, "filename=b.bin", of_unknown_length).await;
    for stored in [announced, streamed] {
        let object = backend.object("files", text_of(&stored, "key")).await;
        assert!(object.is_some_and(|(kept, _)| kept == content), "the provider holds every byte");
        let whole = get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200);
        assert!(whole.body == content);
        let part = read_range(&server, &stored, "bytes=8388600-8388619").await.expect(206);
        assert_eq!(part.body, content[8_388_600..8_388_620], "across the border of two parts");
        let several = read_range(&server, &stored, "bytes=0-9,-7").await.expect(206);
        assert_eq!(several.header("content-length"), several.body.len().to_string());
        assert!(several.body.windows(7).any(|bytes| bytes == &content[content.len() - 7..]));
    }
}

async fn containers_are_those_of_the_settings(backend: &Backend) {
    let (server, app) = start(backend);
    let stored = store(backend, &server, &app, "container=second&path=a.txt", "hello").await;
    assert_eq!(stored["container"], "second");
    assert_eq!(backend.object("second", "a.txt").await.expect("the object").0, b"hello");
    assert_eq!(get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200).text(), "hello");

    let refused = post(&server, &store_path(backend, &app, "container=foreign"), "x").await.expect(400);
    assert_eq!(refused.header("x-stowage-error"), "invalid_parameter");
    assert!(refused.text().contains("container"), "{}", refused.text());
    // A folder at Dropbox comes with its first file; everywhere else a container must be there.
    if backend.provider != "dropbox" {
        let missing = post(&server, &store_path(backend, &app, "container=missing"), "x").await.expect(400);
        assert_eq!(missing.header("x-stowage-error"), "container_missing", "{}", missing.text());
    }
    assert_eq!(files_stored(&server).await, 1);
    assert_eq!(backend.keys("files").await, [""; 0]);
}

async fn overwrite_and_delete_reach_the_provider(backend: &Backend) {
    let (server, app) = start(backend);
    let stored = store(backend, &server, &app, "filename=a.txt&path=docs/", "the original").await;
    let path = format!("/{}", text_of(&stored, "handle"));
    let key = text_of(&stored, "key");
    let url = format!("{}/api/file{path}", server.url());
    let owner = |request: reqwest::RequestBuilder| request.basic_auth("app", Some(&app.secret));
    let before = get(&server, &path).await.expect(200);

    let answer = send(owner(client().post(&url)).body("the replacement")).await.expect(200).json();
    assert_eq!((&answer["key"], &answer["size"]), (&stored["key"], &Value::from(15)));
    assert_eq!(backend.object("files", key).await.expect("the object").0, b"the replacement");
    let after = get(&server, &path).await.expect(200);
    assert_eq!(after.text(), "the replacement");
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(backend.keys("files").await, [key], "the object of the same key is replaced");

    send(owner(client().delete(&url))).await.expect(200);
    get(&server, &path).await.expect(404);
    eventually("the object is gone at the provider", async || backend.object("files", key).await.is_none()).await;
    assert_eq!(backend.keys("files").await, [""; 0]);
}
