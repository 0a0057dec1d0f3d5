//! Keys, names and types of new files (spec 01 §§1.2, 3, 7).

use serde_json::json;
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::{encoded, eventually, files_stored},
    support::{bytes_below, client, get, multipart, png, send, server, server_with, store, text_of},
};

/// The table of spec 01 §3.
#[tokio::test]
async fn storage_keys_follow_the_path() {
    let server = server();
    let app = server.app("shop", &[]);
    for (path, before, after) in [
        ("", "", "_n.txt"),
        ("/", "", "_n.txt"),
        ("docs/", "docs/", "_n.txt"),
        ("/docs/", "docs/", "_n.txt"),
        ("/a/b%20c/", "a/b c/", "_n.txt"),
        ("%C3%A9t%C3%A9/", "été/", "_n.txt"),
    ] {
        let stored = store(&server, &app, &format!("filename=n.txt&path={path}"), "x").await;
        let key = text_of(&stored, "key");
        let random = key
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .unwrap_or_else(|| panic!("{path}: {key}"));
        assert!(random.len() == 20 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{path}: {key}");
    }
    for (path, key) in [
        ("/myfiles/1234.png", "myfiles/1234.png"),
        ("myfiles/1234.png", "myfiles/1234.png"),
        ("a.b/c..d", "a.b/c..d"),
        ("docs", "docs"),
    ] {
        let stored = store(&server, &app, &format!("filename=n.txt&path={path}"), "x").await;
        assert_eq!((&stored["key"], &stored["filename"]), (&json!(key), &json!("n.txt")), "{path}");
    }
    let first = store(&server, &app, "filename=n.txt", "x").await;
    let second = store(&server, &app, "filename=n.txt", "x").await;
    assert_ne!((&first["key"], &first["handle"]), (&second["key"], &second["handle"]));
}

/// S3 semantics (spec 01 §3): the newest content wins for every handle of the key, and the old bytes go.
#[tokio::test]
async fn an_exact_key_is_overwritten_silently() {
    let server = server();
    let app = server.app("shop", &[]);
    let first = store(&server, &app, "path=docs/a.txt&filename=first.txt", "first content").await;
    let second = store(&server, &app, "path=/docs/a.txt&filename=second.txt", "second").await;
    assert_eq!(first["key"], second["key"]);
    assert_ne!(first["handle"], second["handle"]);
    for (stored, name) in [(&first, "first.txt"), (&second, "second.txt")] {
        let read = get(&server, &format!("/{}", text_of(stored, "handle"))).await.expect(200);
        assert_eq!((read.text(), read.header("x-file-name")), ("second", name));
    }
    eventually("the replaced content is removed", async || bytes_below(&server.data().join("objects")) == 6).await;
    let other = store(&server, &app, "path=docs/a.txt&container=elsewhere", "third").await;
    assert_eq!(get(&server, &format!("/{}", text_of(&other, "handle"))).await.text(), "third");
    assert_eq!(
        get(&server, &format!("/{}", text_of(&first, "handle"))).await.text(),
        "second",
        "another container is another key"
    );
}

#[tokio::test]
async fn names_come_back_byte_for_byte() {
    let server = server();
    let app = server.app("shop", &[]);
    let longest = "n".repeat(251) + ".txt";
    for name in [
        "hello.txt",
        "file..name.txt",
        ".hidden",
        "naïve façade.txt",
        "日本語 📷.jpg",
        "e\u{301}.txt",
        r#"say "hi" & 100%+1;=?.txt"#,
        "'single'.txt",
        " blank .txt",
        &longest,
    ] {
        let by_query = store(&server, &app, &format!("filename={}", encoded(name)), "x").await;
        let quoted = name.replace('"', "\\\"");
        let (content_type, body) = multipart(&[(&format!(r#"name="fileUpload"; filename="{quoted}""#), None, b"x")]);
        let request = client()
            .post(format!("{}/api/store/S3?key={}", server.url(), app.key))
            .header("Content-Type", content_type)
            .body(body);
        let by_form = send(request).await.expect(200).json();
        for stored in [by_query, by_form] {
            assert_eq!(stored["filename"], name);
            assert!(text_of(&stored, "key").ends_with(&format!("_{name}")), "{stored}");
            let handle = text_of(&stored, "handle");
            assert_eq!(get(&server, &format!("/{handle}/metadata?filename=true")).await.json()["filename"], name);
            let read = get(&server, &format!("/api/file/{handle}?dl=true")).await.expect(200);
            let disposition = read.header("content-disposition");
            assert_eq!(stowage_core::disposition::filename_of(disposition).as_deref(), Some(name), "{disposition}");
            assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
            // White space at the ends of a header belongs to nobody.
            match name.is_ascii() {
                true => assert_eq!(read.header("x-file-name"), name.trim()),
                false => assert_eq!(read.header("x-file-name"), encoded(name)),
            }
        }
    }
}

/// `mimetype`, then the sender's type, then the extension, then the content, then `text/plain` for raw text.
#[tokio::test]
async fn the_media_type_is_decided_in_order() {
    let server = server();
    let app = server.app("shop", &[]);
    let png = png();
    let none: Option<&str> = None;
    let cases: [(&str, Option<&str>, &[u8], &str); 10] = [
        ("mimetype=text/x-own&filename=a.gif", Some("image/jpeg"), &png, "text/x-own"),
        ("mimetype=IMAGE/X-Own;q=1", none, b"x", "image/x-own"),
        ("filename=a.gif", Some("image/jpeg"), &png, "image/jpeg"),
        ("filename=a.gif", Some("application/octet-stream"), &png, "image/gif"),
        ("filename=a.gif", Some("application/x-www-form-urlencoded"), &png, "image/gif"),
        ("filename=a.gif", none, &png, "image/gif"),
        ("filename=picture", none, &png, "image/png"),
        ("", none, &png, "image/png"),
        ("", none, b"plain words", "text/plain"),
        ("", none, &[0, 1, 2, 254], "application/octet-stream"),
    ];
    for (query, content_type, content, expected) in cases {
        let mut request =
            client().post(format!("{}/api/store/S3?key={}&{query}", server.url(), app.key)).body(content.to_vec());
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let stored = send(request).await.expect(200).json();
        assert_eq!(
            (&stored["type"], &stored["mimetype"]),
            (&json!(expected), &json!(expected)),
            "{query} {content_type:?}"
        );
        let read = get(&server, &format!("/{}", text_of(&stored, "handle"))).await;
        assert_eq!(read.header("content-type"), expected);
    }
    let (content_type, body) =
        multipart(&[(r#"name="fileUpload"; filename="clip.mp4""#, Some("application/octet-stream"), b"x")]);
    let request = client()
        .post(format!("{}/api/store/S3?key={}", server.url(), app.key))
        .header("Content-Type", content_type)
        .body(body);
    assert_eq!(send(request).await.expect(200).json()["type"], "video/mp4", "a part of unknown type goes by its name");
}

#[tokio::test]
async fn a_fetched_file_is_named_and_typed_by_its_origin() {
    let origin = Origin::start("127.0.0.2", |request| match request.target.as_str() {
        "/disposition" => Reply::from("HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=\"from header.pdf\"\r\nContent-Type: application/pdf; x=y\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"),
        "/untyped/a.png" => Reply::from("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"),
        "/redirected" => Reply::redirect("/untyped/a.png"),
        "/nameless/" => Reply::ok("image/png", b"x"),
        "/gone" => Reply::status("404 Not Found"),
        _ => Reply::ok("text/plain", b"x"),
    })
    .await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let fetch = async |path: &str, options: &str| {
        let url = format!("{}/api/store/S3?key={}{options}", server.url(), app.key);
        let command = json!({ "url": origin.url(path) }).to_string();
        send(client().post(url).header("Content-Type", "application/json").body(command)).await
    };
    for (path, options, name, media_type) in [
        ("/disposition", "", "from header.pdf", "application/pdf"),
        ("/disposition", "&filename=mine.gif&mimetype=image/gif", "mine.gif", "image/gif"),
        ("/a%20b.gif?x=1", "", "a b.gif", "text/plain"),
        ("/untyped/a.png", "", "a.png", "image/png"),
        ("/redirected", "&filename=r.png", "r.png", "image/png"),
    ] {
        let stored = fetch(path, options).await.expect(200).json();
        assert_eq!((&stored["filename"], &stored["type"]), (&json!(name), &json!(media_type)), "{path}");
        let metadata = get(&server, &format!("/{}/metadata?source_url=true", text_of(&stored, "handle"))).await.json();
        assert_eq!(metadata, json!({ "source_url": origin.url(path) }));
    }
    let nameless = fetch("/nameless/", "").await.expect(200).json();
    assert_eq!(text_of(&nameless, "filename"), format!("{}.png", text_of(&nameless, "handle")));
    let before = files_stored(&server).await;
    let refused = fetch("/gone", "").await.expect(400);
    assert_eq!(refused.text(), "Could not fetch the url");
    assert_eq!(files_stored(&server).await, before);
}
