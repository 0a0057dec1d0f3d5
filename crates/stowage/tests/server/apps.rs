//! What an app's settings do to requests (issue 2 §3); `stowage app` itself is tested in `cli.rs`.

use serde_json::json;
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::{eventually, files_stored, objects},
    support::{allowing, client, get, multipart, png, post, send, server, server_with, signed, store, text_of},
};

#[tokio::test]
async fn the_size_limit_holds_for_every_way_in() {
    let origin = Origin::start("127.0.0.2", |request| match request.target.as_str() {
        "/large" => Reply::ok("text/plain", &[b'x'; 2000]),
        "/unannounced" => Reply::from([&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &[b'x'; 2000]].concat()),
        _ => Reply::ok("text/plain", &[b'x'; 1024]),
    })
    .await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &["--max-file-size", "1KiB"]);
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let form = |length: usize| multipart(&[(r#"name="fileUpload"; filename="a""#, None, &vec![b'x'; length])]);
    let chunked = |length: usize| {
        reqwest::Body::wrap_stream(futures_util::stream::iter(vec![Ok::<_, std::io::Error>(vec![b'x'; length])]))
    };
    let by_url = |path: &str| {
        client()
            .post(&url)
            .header("Content-Type", "application/json")
            .body(json!({ "url": origin.url(path) }).to_string())
    };
    let process = |path: &str| {
        let command = json!({ "apikey": app.key, "sources": [origin.url(path)], "tasks": [{ "name": "store" }] });
        client().post(format!("{}/process", server.url())).body(command.to_string())
    };
    let (form_type, exact) = form(1024);
    for request in [
        client().post(&url).body(vec![b'x'; 1024]),
        client().post(&url).body(chunked(1024)),
        client().post(&url).header("Content-Type", &form_type).body(exact),
        client().post(format!("{url}&base64decode=true")).body("eHh4".repeat(341)),
        by_url("/exact"),
        process("/exact"),
        client().get(format!("{}/{}/store/{}", server.url(), app.key, origin.url("/exact"))),
    ] {
        send(request).await.expect(200);
    }
    let kept = (files_stored(&server).await, objects(server.data()));
    let (_, large) = form(1025);
    for request in [
        client().post(&url).body(vec![b'x'; 1025]),
        client().post(&url).body(chunked(1025)),
        client().post(&url).body(chunked(3_000_000)),
        client().post(&url).header("Content-Type", &form_type).body(large),
        client().post(format!("{url}&base64decode=true")).body("eHh4".repeat(342)),
        by_url("/large"),
        by_url("/unannounced"),
        process("/large"),
        client().get(format!("{}/{}/store/{}", server.url(), app.key, origin.url("/large"))),
    ] {
        let answer = send(request).await.expect(413);
        assert_eq!(answer.header("x-stowage-error"), "too_large");
    }
    eventually("nothing is left of them", async || (files_stored(&server).await, objects(server.data())) == kept).await;
    let stored = store(&server, &app, "", "small").await;
    let overwrite = client()
        .post(format!("{}/api/file/{}", server.url(), text_of(&stored, "handle")))
        .basic_auth("app", Some(&app.secret));
    send(overwrite.body(vec![b'x'; 1025])).await.expect(413);
    assert_eq!(get(&server, &format!("/{}", text_of(&stored, "handle"))).await.text(), "small");
}

#[tokio::test]
async fn allowed_types_hold_for_what_is_said_and_what_it_is() {
    let server = server();
    let app = server.app("shop", &["--allowed-mime-types", "image/*,.pdf"]);
    let upload = async |query: &str, content: &[u8]| {
        post(&server, &format!("/api/store/S3?key={}&{query}", app.key), content.to_vec()).await
    };
    upload("filename=a.png", &png()).await.expect(200);
    upload("filename=a.pdf", b"%PDF-1.4\n").await.expect(200);
    for (query, content) in [
        ("filename=a.txt", &b"text"[..]),
        ("mimetype=text/html", b"<html>"),
        ("mimetype=image/png", b"<html><script>alert(1)</script>"),
        ("filename=a.png", b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ] {
        let refused = upload(query, content).await.expect(400);
        assert_eq!(refused.header("x-stowage-error"), "type_not_allowed", "{query}");
        assert!(refused.text().contains("does not accept"), "{}", refused.text());
    }
    assert_eq!(files_stored(&server).await, 2);
}

#[tokio::test]
async fn default_and_allowed_stores() {
    let server = server();
    let app = server.app(
        "shop",
        &["--default-location", "local", "--allowed-locations", "local,gcs", "--default-container", "photos"],
    );
    server.run(&["store", "add", "shop", "gcs", "--provider", "local"]);
    let upload = async |path: &str| post(&server, &format!("{path}?key={}", app.key), "x").await;
    let stored = upload("/api/store").await.expect(200).json();
    assert_eq!(stored["container"], "photos");
    let told =
        get(&server, &format!("/{}/metadata?location=true&container=true", text_of(&stored, "handle"))).await.json();
    assert_eq!(told, json!({ "location": "local", "container": "photos" }));
    upload("/api/store/gcs").await.expect(200);
    let refused = upload("/api/store/S3").await.expect(400);
    assert_eq!(refused.header("x-stowage-error"), "location_not_allowed");
    let named = post(&server, &format!("/api/store?key={}&container=other", app.key), "x").await.expect(200).json();
    assert_eq!(named["container"], "other");
    server.run(&["store", "remove", "shop", "gcs"]);
    eventually("the running server notices", async || upload("/api/store/gcs").await.status == 400).await;
}

/// Changes made beside a running server are honoured without a restart.
#[tokio::test]
async fn changed_settings_reach_the_running_server() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt", "hello world").await;
    let path = format!("/{}", text_of(&stored, "handle"));
    get(&server, &path).await.expect(200);
    server.run(&["app", "set", "shop", "--security", "true"]);
    eventually("reading needs a policy", async || get(&server, &path).await.status == 403).await;
    let signed_path = format!("{path}?{}", signed(&app, &allowing(&["read"])));
    get(&server, &signed_path).await.expect(200);
    let rotated: serde_json::Value =
        serde_json::from_str(&server.run(&["app", "rotate-secret", "shop", "--json"])).expect("JSON");
    eventually("the old secret is void", async || get(&server, &signed_path).await.status == 403).await;
    let app = crate::support::App { secret: text_of(&rotated, "secret").to_owned(), ..app };
    get(&server, &format!("{path}?{}", signed(&app, &allowing(&["read"])))).await.expect(200);
    server.run(&["app", "delete", "shop", "--force"]);
    eventually("its files are gone", async || get(&server, &path).await.status == 404).await;
    // Another process deleted the app; the collector looks when a file of this one goes.
    let other = server.app("other", &[]);
    let stored = store(&server, &other, "", "x").await;
    let delete = client().delete(format!("{}/api/file/{}", server.url(), text_of(&stored, "handle")));
    send(delete.basic_auth("app", Some(&other.secret))).await.expect(200);
    eventually("the bytes of both are gone", async || objects(server.data()).is_empty()).await;
}
