//! Cross-origin answers (spec 00 §5.3).

use reqwest::Method;

use crate::{
    hostile::{eventually, files_stored},
    support::{HttpAnswer, client, raw_request, send, server, signed, store, text_of},
};

const HOME: &str = "https://www.example.com";

fn listed(answer: &HttpAnswer, header: &str) -> Vec<String> {
    answer.header(header).split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn every_path_answers_a_preflight() {
    let server = server();
    for path in [
        "/api/store/S3",
        "/api/file/AAAAAAAAAAAAAAAAAAAA",
        "/AAAAAAAAAAAAAAAAAAAA/metadata",
        "/process",
        "/nowhere",
        "*",
    ] {
        let head = format!(
            "OPTIONS {path} HTTP/1.1\nOrigin: {HOME}\nAccess-Control-Request-Method: PUT\nAccess-Control-Request-Headers: content-md5"
        );
        let answer = raw_request(&server, &head, b"").await.expect(204);
        assert_eq!((answer.header("access-control-allow-origin"), answer.body.len()), ("*", 0), "{path}");
        assert_eq!(answer.header("access-control-max-age"), "86400");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        assert_eq!(
            listed(&answer, "access-control-allow-methods"),
            ["get", "head", "post", "put", "patch", "delete", "options"]
        );
        let allowed = listed(&answer, "access-control-allow-headers");
        for header in [
            "Origin",
            "Content-Type",
            "Accept",
            "User-Agent",
            "UJID",
            "UJID-Path",
            "Filestack-Upload-Region",
            "Filestack-Source",
            "Filestack-Trace-Id",
            "Filestack-Trace-Span",
            "Authorization",
            "Content-MD5",
            "Range",
            "If-None-Match",
            "X-NO-STREAM",
            "X-Requested-With",
            "x-amz-date",
            "x-amz-content-sha256",
            "x-amz-acl",
            "x-amz-security-token",
        ] {
            assert!(allowed.contains(&header.to_ascii_lowercase()), "{header} is missing in {allowed:?}");
        }
    }
}

#[tokio::test]
async fn answers_and_errors_can_be_read_by_every_page() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt", "hello world").await;
    let handle = text_of(&stored, "handle");
    for (method, path, status) in [
        (Method::GET, format!("/api/file/{handle}"), 200),
        (Method::GET, format!("/{handle}"), 200),
        (Method::GET, format!("/{handle}/metadata"), 200),
        (Method::POST, format!("/api/store/S3?key={}", app.key), 200),
        (Method::POST, "/api/store/S3".to_owned(), 400),
        (Method::GET, "/AAAAAAAAAAAAAAAAAAAA".to_owned(), 404),
        (Method::DELETE, format!("/api/file/{handle}"), 403),
        (Method::PATCH, format!("/{handle}"), 405),
    ] {
        let request =
            client().request(method.clone(), format!("{}{path}", server.url())).header("Origin", HOME).body("x");
        let answer = send(request).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{method} {path}");
        let exposed = listed(&answer, "access-control-expose-headers");
        for header in [
            "ETag",
            "Content-Length",
            "Content-Range",
            "Content-Disposition",
            "X-File-Name",
            "Filestack-Limit",
            "Filestack-Remaining",
            "Filestack-Reset",
        ] {
            assert!(exposed.contains(&header.to_ascii_lowercase()), "{header} is missing in {exposed:?}");
        }
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn an_app_can_restrict_origins() {
    let server = server();
    let app = server.app("shop", &["--cors-origins", "https://www.example.com,http://localhost:3000"]);
    let stored = store(&server, &app, "filename=a.txt", "hello world").await;
    let before = files_stored(&server).await;
    let handle = text_of(&stored, "handle");
    let requests = |origin: &str| {
        let to = |method: Method, path: String| {
            client().request(method, format!("{}{path}", server.url())).header("Origin", origin)
        };
        [
            to(Method::GET, format!("/{handle}")),
            to(Method::GET, format!("/api/file/{handle}")),
            to(Method::GET, format!("/api/file/{handle}/metadata")),
            to(Method::POST, format!("/api/store/S3?key={}", app.key)).body("x"),
            to(Method::POST, format!("/api/file/{handle}?{}", signed(&app, r#"{"expiry":4102444800}"#)))
                .body("hello world"),
        ]
    };
    for origin in [HOME, "http://localhost:3000"] {
        for request in requests(origin) {
            let answer = send(request).await.expect(200);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert!(listed(&answer, "vary").contains(&"origin".to_owned()));
            assert!(answer.headers.contains_key("access-control-expose-headers"));
        }
    }
    let stored_by_pages = files_stored(&server).await;
    assert_eq!(stored_by_pages, before + 4, "a store and an overwrite by each page");
    for origin in [
        "https://evil.example",
        "https://www.example.com.evil.example",
        "http://www.example.com",
        "https://www.example.com:444",
        "null",
    ] {
        for request in requests(origin) {
            let answer = send(request).await.expect(403);
            assert_eq!(answer.header("x-stowage-error"), "origin_not_allowed");
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}: {:?}", answer.headers);
            assert!(listed(&answer, "vary").contains(&"origin".to_owned()));
        }
    }
    // A shared cache must not give the answer of a request without origin to a page.
    let plain = send(client().get(format!("{}/{handle}", server.url()))).await.expect(200);
    assert!(!plain.headers.contains_key("access-control-allow-origin"));
    assert!(listed(&plain, "vary").contains(&"origin".to_owned()));
    assert_eq!(files_stored(&server).await, stored_by_pages);
    server.run(&["app", "set", "shop", "--cors-origins", ""]);
    eventually("the running server notices", async || {
        let request = client().get(format!("{}/{handle}", server.url())).header("Origin", "https://evil.example");
        let answer = send(request).await;
        answer.status == 200 && answer.header("access-control-allow-origin") == "*"
    })
    .await;
}
