//! What operators rely on: health, figures, hosts, public addresses, shapes of errors.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    hostile::eventually,
    support::{allowing, client, get, post, raw_request, send, server, server_with, signed, store, text_of},
};

fn figure(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

#[tokio::test]
async fn health_readiness_and_figures() {
    let server = server();
    for path in ["/healthz", "/readyz"] {
        let health = get(&server, path).await.expect(200);
        assert_eq!(health.json(), json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }));
        assert_eq!(health.header("cache-control"), "no-store");
        assert!(send(client().head(format!("{}{path}", server.url()))).await.expect(200).body.is_empty());
        assert_eq!(post(&server, path, "x").await.expect(405).header("allow"), "GET, HEAD");
    }
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "", "hello world").await;
    get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200);
    let delete = client().delete(format!("{}/api/file/{}", server.url(), text_of(&stored, "handle")));
    send(delete.basic_auth("app", Some(&app.secret))).await.expect(200);
    eventually("the object is collected", async || {
        let metrics = get(&server, "/metrics").await.expect(200);
        assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
        figure(metrics.text(), "stowage_objects_collected_total") == 1.0
    })
    .await;
    let metrics = get(&server, "/metrics").await;
    let metrics = metrics.text();
    assert_eq!(figure(metrics, "stowage_files_stored_total"), 1.0);
    assert_eq!(figure(metrics, "stowage_bytes_stored_total"), 11.0);
    assert_eq!(figure(metrics, "stowage_bytes_served_total"), 11.0);
    assert_eq!(figure(metrics, r#"stowage_requests_total{operation="StoreFile",status="200"}"#), 1.0);
    assert_eq!(figure(metrics, r#"stowage_requests_total{operation="DeleteFile",status="200"}"#), 1.0);
    assert!(figure(metrics, "stowage_request_seconds_count") >= 5.0);
    assert!(metrics.ends_with("# EOF\n"));
    assert!(!metrics.contains(&app.key) && !metrics.contains(text_of(&stored, "handle")), "no names of users");
    let front = get(&server, "/").await.expect(200);
    assert!(front.text().contains("/openapi.json"));
}

/// A disk that takes no files makes the server unready, not dead.
#[tokio::test]
async fn a_broken_disk_shows_in_readiness() {
    let server = server();
    std::fs::remove_dir_all(server.data().join("objects")).expect("the directory can be removed");
    let ready = get(&server, "/readyz").await.expect(503);
    assert_eq!(ready.json()["status"], "local disk");
    get(&server, "/healthz").await.expect(200);
}

/// Spec 00 §4: the first label of `Host`, any case, port ignored.
#[tokio::test]
async fn hosts_are_told_apart_by_their_first_label() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt", "hello world").await;
    let handle = text_of(&stored, "handle");
    let ask = async |host: &str, head: &str, body: &str| {
        raw_request(&server, &format!("{head} HTTP/1.1\nHost: {host}"), body.as_bytes()).await
    };
    let store_path = format!("POST /api/store/S3?key={}", app.key);
    for host in [
        "www.fs.example",
        "api.fs.example",
        "fs.example",
        "WWW.fs.example:8080",
        "127.0.0.1",
        "upload.fs.example",
        "cdnx.fs.example",
    ] {
        ask(host, &store_path, "x").await.expect(200);
        assert_eq!(ask(host, &format!("GET /api/file/{handle}"), "").await.expect(200).text(), "hello world", "{host}");
        assert_eq!(ask(host, &format!("GET /{handle}"), "").await.expect(200).text(), "hello world", "{host}");
        ask(host, "GET /healthz", "").await.expect(200);
        ask(host, "GET /api/nothing", "").await.expect(404);
    }
    let command = json!({ "apikey": app.key, "sources": [], "tasks": [] }).to_string();
    for host in ["cdn.fs.example", "CDN.fs.example:443", "process.fs.example", "cdn.localhost"] {
        assert_eq!(ask(host, &format!("GET /{handle}"), "").await.expect(200).text(), "hello world", "{host}");
        assert_eq!(
            ask(host, &format!("GET /{}/{handle}", app.key), "").await.expect(200).text(),
            "hello world",
            "{host}"
        );
        ask(host, &format!("GET /{handle}/metadata"), "").await.expect(200);
        ask(host, &format!("GET /file/{handle}/metadata"), "").await.expect(200);
        assert_eq!(
            ask(host, "POST /process", &command).await.expect(400).json()["code"],
            "invalid_parameter",
            "{host}"
        );
        // The delivery grammar owns every other path.
        for path in [store_path.as_str(), "GET /healthz", "GET /metrics", "GET /openapi.json"] {
            let answer = ask(host, path, "x").await;
            assert!((400..500).contains(&answer.status), "{host} {path}: {}", answer.status);
        }
        ask(host, &format!("DELETE /{handle}"), "").await.expect(405);
    }
    let named = ask("cdn.fs.example", &format!("GET /{}/store/{handle}", app.key), "").await.expect(200).json();
    assert_eq!(text_of(&named, "url"), format!("http://cdn.fs.example/{}", text_of(&named, "handle")));
}

/// Emitted URLs (spec 00 §4).
#[tokio::test]
async fn emitted_urls_start_at_the_public_base() {
    let server = server_with(&[("STOWAGE_PUBLIC_BASE_CDN", "https://cdn.files.example:8443")]);
    let app = server.app("shop", &[]);
    let first = store(&server, &app, "filename=a.txt", "hello world").await;
    let handle = text_of(&first, "handle");
    let overwrite =
        client().post(format!("{}/api/file/{handle}", server.url())).basic_auth("app", Some(&app.secret)).body("x");
    let overwritten = send(overwrite).await.expect(200).json();
    // A URL of the public base is the server's own: no network is needed to copy it.
    let command = json!({ "apikey": app.key, "sources": [first["url"]], "tasks": [{ "name": "store" }] }).to_string();
    let processed = post(&server, "/process", command).await.expect(200).json();
    let by_task = get(&server, &format!("/{}/store/{handle}", app.key)).await.expect(200).json();
    for answer in [first.clone(), overwritten, processed, by_task] {
        assert_eq!(text_of(&answer, "url"), format!("https://cdn.files.example:8443/{}", text_of(&answer, "handle")));
    }
    let plain = crate::support::server();
    let app = plain.app("shop", &[]);
    let head = format!("POST /api/store/S3?key={} HTTP/1.1\nHost: files.example:81", app.key);
    let stored = raw_request(&plain, &head, b"x").await.expect(200).json();
    assert_eq!(text_of(&stored, "url"), format!("http://files.example:81/{}", text_of(&stored, "handle")));
    let odd = format!("POST /api/store/S3?key={} HTTP/1.1\nHost: a\"><script>", app.key);
    let stored = raw_request(&plain, &odd, b"x").await;
    assert!(!stored.text().contains("script"), "{}", stored.text());
}

/// Text for the File and Store API, JSON elsewhere or when it is asked for (spec 00 §5.2).
#[tokio::test]
async fn errors_have_a_shape_a_code_and_an_id() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let missing = "AAAAAAAAAAAAAAAAAAAA";
    let mut ids = BTreeSet::new();
    for (head, status, code, is_text) in [
        ("POST /api/store/S3".to_owned(), 400, "invalid_application", true),
        (format!("POST /api/store/S3?key={}", app.key), 403, "policy_missing", true),
        ("POST /api/store/moon".to_owned(), 400, "invalid_location", true),
        (format!("GET /api/file/{missing}"), 404, "file_not_found", true),
        (format!("DELETE /api/file/{missing}"), 404, "file_not_found", true),
        (format!("GET /{missing}"), 404, "file_not_found", false),
        (format!("GET /file/{missing}/metadata"), 404, "file_not_found", false),
        ("POST /process".to_owned(), 400, "invalid_body", false),
        ("GET /api/other".to_owned(), 404, "route_not_found", false),
        ("GET /nonsense=1/x".to_owned(), 400, "invalid_path", false),
    ] {
        for accept in ["*/*", "application/json", "text/html, application/json;q=0.5"] {
            let answer = raw_request(&server, &format!("{head} HTTP/1.1\nAccept: {accept}"), b"x").await.expect(status);
            assert_eq!(answer.header("x-stowage-error"), code, "{head}");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(answer.body.iter().all(|byte| (b' '..=b'~').contains(byte)), "{head}: js reads text as Latin-1");
            ids.insert(answer.header("x-request-id").to_owned());
            if is_text && accept == "*/*" {
                assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8", "{head}");
                assert!(!answer.text().starts_with('{'), "{head}");
            } else {
                let error = answer.json();
                assert_eq!(text_of(&error, "code"), code, "{head}");
                assert!(!text_of(&error, "error").is_empty());
            }
        }
    }
    assert_eq!(ids.len(), 30, "each request has an id of its own");
    let policy = signed(&app, &allowing(&["read"]));
    let refused = post(&server, &format!("/api/store/S3?key={}&{policy}", app.key), "x").await.expect(403);
    let signature = policy.split("signature=").nth(1).expect("a signature");
    assert!(!refused.text().contains(signature));
}
