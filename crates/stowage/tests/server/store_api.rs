//! `POST /api/store/{location}` (spec 01 §1).

mod forms;
mod naming;

use serde_json::{Value, json};

use crate::{
    hostile::{eventually, files_stored},
    support::{client, get, post, raw_request, send, server, server_with, store, text_of},
};

#[tokio::test]
async fn a_form_upload_is_read_back_from_its_url() {
    let server = server();
    let app = server.app("shop", &[]);
    let content: Vec<u8> = (0..300_000u32).flat_map(|number| number.to_le_bytes()).collect();
    let part =
        reqwest::multipart::Part::bytes(content.clone()).file_name("photo.jpg").mime_str("image/jpeg").expect("a type");
    let form = reqwest::multipart::Form::new().part("fileUpload", part);
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let response = client().post(url).multipart(form).send().await.expect("the server answers");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let stored: Value = response.json().await.expect("JSON");
    assert_eq!(stored["filename"], "photo.jpg");
    assert_eq!(stored["type"], "image/jpeg");
    assert_eq!(stored["size"], content.len());
    let handle = stored["handle"].as_str().expect("a handle");
    assert_eq!(handle.len(), 20);
    assert_eq!(stored["url"], format!("{}/{handle}", server.url()));
    let key = stored["key"].as_str().expect("a key");
    assert!(key.ends_with("_photo.jpg") && key.len() == 20 + "_photo.jpg".len() && !key.contains(handle), "{key}");

    let read = client().get(stored["url"].as_str().expect("a url")).send().await.expect("the server answers");
    assert_eq!(read.headers()["content-type"], "image/jpeg");
    assert_eq!(read.headers()["x-file-name"], "photo.jpg");
    assert_eq!(read.bytes().await.expect("the bytes"), content);
}

/// The answer of spec 01 §9: raw bytes into a folder.
#[tokio::test]
async fn the_answer_has_every_key_that_a_client_looks_for() {
    let server = server();
    let app = server.app("shop", &[]);
    let path = format!("/api/store/S3?key={}&filename=hello.txt&path=/docs/", app.key);
    let request =
        client().post(format!("{}{path}", server.url())).header("Content-Type", "text/plain").body("hello world");
    let stored = send(request).await.expect(200).json();
    let handle = text_of(&stored, "handle");
    assert!(handle.len() == 20 && handle.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{handle}");
    let key = text_of(&stored, "key").to_owned();
    let random = key.strip_prefix("docs/").and_then(|rest| rest.strip_suffix("_hello.txt")).expect("docs/…_hello.txt");
    assert!(random.len() == 20 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
    assert_ne!(random, handle);
    let expected = json!({
        "url": format!("{}/{handle}", server.url()), "handle": handle, "filename": "hello.txt", "type": "text/plain",
        "mimetype": "text/plain", "size": 11, "key": key, "container": "stowage", "status": "Stored", "isWriteable": true,
    });
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn content_md5_is_compared() {
    let server = server();
    let app = server.app("shop", &[]);
    let upload = async |digest: &str, body: &'static str| {
        let request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key)).body(body);
        send(request.header("Content-MD5", digest)).await
    };
    upload("XrY7u+Ae7tCTyyK7j1rNww==", "hello world").await.expect(200);
    let refused = upload("XrY7u+Ae7tCTyyK7j1rNww==", "hello worlds").await.expect(400);
    assert_eq!(refused.header("x-stowage-error"), "md5_mismatch");
    upload("5eb63bbbe01eeed093cb22bb8f5acdc3", "hello world").await.expect(400);
    assert_eq!(files_stored(&server).await, 1);
}

#[tokio::test]
async fn locations_in_every_spelling() {
    let server = server();
    let app = server.app("shop", &[]);
    for path in [
        "/api/store/S3",
        "/api/store/s3",
        "/api/store/S3/",
        "/api/store",
        "/api/store/",
        "/api/store/local",
        "/api/store/LOCAL",
    ] {
        post(&server, &format!("{path}?key={}", app.key), "x").await.expect(200);
    }
    for path in ["/api/store/moon", "/api/store/moon/"] {
        let answer = post(&server, &format!("{path}?key={}", app.key), "x").await.expect(400);
        assert!(answer.text().starts_with("Invalid storage location"), "{}", answer.text());
    }
    for location in ["azure", "gcs", "dropbox", "rackspace"] {
        let answer = post(&server, &format!("/api/store/{location}?key={}", app.key), "x").await.expect(400);
        assert_eq!(answer.header("x-stowage-error"), "location_not_configured");
        assert!(answer.text().contains(&format!("stowage store add APP {location}")), "says how: {}", answer.text());
    }
    assert_eq!(files_stored(&server).await, 7);
    server.run(&["store", "add", "shop", "gcs", "--provider", "local"]);
    eventually("the running server notices the new store", async || {
        post(&server, &format!("/api/store/GCS?key={}", app.key), "x").await.status == 200
    })
    .await;
    let by_parameter = post(&server, &format!("/api/store?key={}&location=gcs", app.key), "x").await.expect(200).json();
    let by_path = post(&server, &format!("/api/store/S3?key={}&location=gcs", app.key), "x").await.expect(200).json();
    for (stored, location) in [(by_parameter, "gcs"), (by_path, "S3")] {
        let metadata = get(&server, &format!("/{}/metadata?location=true", text_of(&stored, "handle"))).await.json();
        assert_eq!(metadata["location"], location);
    }
}

/// Spec 00 §5.5 and the decorations of spec 01 §1.1.
#[tokio::test]
async fn queries_are_read_leniently() {
    let server = server();
    let app = server.app("shop", &[]);
    let key = &app.key;
    for query in [
        format!("?&key={key}&filename=a.txt"),
        format!("key={key}&&filename=a.txt&policy=&signature="),
        format!("key={key}&filename=a.txt&policy&signature"),
        format!("KEY={key}&FileName=a.txt"),
        format!("key={key}&filename=a.txt&plugin=js_lib&_cacheBust=1&nonce=2&unknown=3&unknown=4&%zz=%"),
        format!("key=&key={key}&filename=&filename=a.txt&mimetype=&path=&container=&base64decode=&access="),
        format!("key={key}&filename=a.txt&filename=b.txt"),
        format!("key={key}&filename=a%2Etxt&workflows=a-1,b-2"),
        format!("key={key}&filename=a.txt&workflows=[%22a-1%22,%22b-2%22]&region=eu-west-1&access=private"),
    ] {
        let answer = raw_request(&server, &format!("POST /api/store/S3?{query} HTTP/1.1"), b"x").await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(answer.json()["filename"], "a.txt", "{query}");
    }
    let spaces = store(&server, &app, "filename=a+b%20c%2Bd.txt&path=/x/y z/", "x").await;
    assert_eq!(spaces["filename"], "a b c+d.txt");
    assert!(text_of(&spaces, "key").starts_with("x/y z/"));
    let refused = post(&server, &format!("/api/store/S3?key={key}&access=public"), "x").await.expect(400);
    assert!(refused.text().contains("access"), "a public object is not silently made private: {}", refused.text());
}

/// A URL of this very server needs no network (spec 01 §1.3), and an alias that nobody configured is said to be one.
#[tokio::test]
async fn own_urls_are_copied_and_aliases_refused() {
    let server = server();
    let app = server.app("shop", &[]);
    let first = store(&server, &app, "filename=a.txt&mimetype=text/x-own", "content").await;
    let handle = text_of(&first, "handle");
    let upload = async |url: &str| {
        let target = format!("{}/api/store/S3?key={}", server.url(), app.key);
        send(
            client()
                .post(target)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(format!("url={url}")),
        )
        .await
    };
    for url in [
        format!("{}/{handle}", server.url()),
        format!("{}/api/file/{handle}", server.url()),
        format!("{}/{handle}?x=1", server.url()),
    ] {
        let copy = upload(&url).await.expect(200).json();
        assert_ne!(copy["handle"], first["handle"]);
        assert_eq!(
            (&copy["filename"], &copy["type"], &copy["size"]),
            (&json!("a.txt"), &json!("text/x-own"), &json!(7))
        );
    }
    let odd =
        post(&server, &format!("/api/store/S3/{handle}?key={}&path=copies/", app.key), "").await.expect(200).json();
    assert_eq!((&odd["filename"], &odd["size"]), (&json!("a.txt"), &json!(7)));
    assert!(text_of(&odd, "key").starts_with("copies/"));
    post(&server, &format!("/api/store/S3/AAAAAAAAAAAAAAAAAAAA?key={}", app.key), "").await.expect(404);
    let alias = upload("src://bucket/a.txt").await.expect(400);
    assert_eq!(alias.header("x-stowage-error"), "alias_not_configured");
    let scheme = upload("ftp://example.com/a.txt").await.expect(400);
    assert_eq!(scheme.header("x-stowage-error"), "invalid_url");
}

/// Spec 01 §1.5.
#[tokio::test]
async fn refusals_say_what_to_change() {
    let server = server();
    let app = server.app("shop", &[]);
    let missing = post(&server, "/api/store/S3", "x").await.expect(400);
    assert!(missing.text().starts_with("Invalid Application"), "{}", missing.text());
    assert_eq!(missing.header("content-type"), "text/plain; charset=utf-8");
    for key in ["Aunknown00000000000000z", "x", "%00", &format!("{}x", app.key)] {
        let unknown = post(&server, &format!("/api/store/S3?key={key}"), "x").await.expect(401);
        assert!(unknown.text().starts_with("Invalid Application"), "{}", unknown.text());
    }
    let probe = post(&server, "/api/store/S3", "").await;
    assert!((400..500).contains(&probe.status), "an empty POST is used as a liveness probe: {probe:?}");
    let empty = post(&server, &format!("/api/store/S3?key={}", app.key), "").await.expect(400);
    assert_eq!(empty.header("x-stowage-error"), "no_content");
    let method = get(&server, "/api/store/S3").await.expect(405);
    assert_eq!(method.header("allow"), "POST");
    assert_eq!(files_stored(&server).await, 0);
}

/// The answer of the vendor that some clients were written against.
#[tokio::test]
async fn invalid_application_can_be_answered_with_200() {
    let server = server_with(&[("STOWAGE_COMPATIBILITY_INVALID_APPLICATION_OK", "true")]);
    server.app("shop", &[]);
    for path in ["/api/store/S3", "/api/store/S3?key=Aunknown00000000000000z"] {
        let answer = post(&server, path, "x").await.expect(200);
        assert_eq!(answer.text(), "Invalid Application");
        assert_eq!(answer.header("x-stowage-error"), "invalid_application");
    }
    assert_eq!(files_stored(&server).await, 0);
}
