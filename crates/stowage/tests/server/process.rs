//! `POST /process` (spec 01 §5).

use serde_json::{Value, json};
use stowage_core::{handle::AppSecret, policy};
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::files_stored,
    support::{App, HttpAnswer, Stowage, allowing, client, get, png, send, server, server_with, store, text_of},
};

async fn origin() -> Origin {
    Origin::start("127.0.0.2", |request| match request.target.as_str() {
        "/a.png" => Reply::ok("image/png", &png()),
        "/text" => Reply::ok("text/plain", b"aGVsbG8gd29ybGQ="),
        _ => Reply::status("404 Not Found"),
    })
    .await
}

fn fetching_server() -> Stowage {
    server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")])
}

async fn process(server: &Stowage, command: &Value) -> HttpAnswer {
    let request = client().post(format!("{}/process", server.url())).header("Content-Type", "application/json");
    send(request.body(command.to_string())).await
}

fn security_task(app: &App, json: &str) -> Value {
    let signed = policy::sign(&AppSecret::new(app.secret.clone()), json);
    json!({ "name": "security", "params": { "policy": signed.policy, "signature": signed.signature } })
}

/// What filestack-js sends with security, workflows, headers and tags (spec 01 §9).
#[tokio::test]
async fn as_javascript_sends_it() {
    let origin = origin().await;
    let server = fetching_server();
    let app = server.app("shop", &["--security"]);
    let command = json!({
        "apikey": app.key,
        "sources": [{ "source": origin.url("/a.png"), "headers": { "X-Token": "1", "Authorization": "Bearer t" } }],
        "tasks": [
            { "name": "store", "params": { "path": "/in/", "filename": "n.png", "altText": "x" } },
            security_task(&app, &allowing(&["store"])),
            { "name": "store", "params": { "workflows": ["6f1c-1", { "id": "w2" }] } },
        ],
        "upload_tags": { "order": "17" },
    });
    let stored = process(&server, &command).await.expect(200).json();
    assert_eq!(
        (&stored["filename"], &stored["type"], &stored["size"]),
        (&json!("n.png"), &json!("image/png"), &json!(png().len()))
    );
    assert_eq!((&stored["width"], &stored["height"], &stored["container"]), (&json!(3), &json!(2), &json!("stowage")));
    assert_eq!(stored["upload_tags"], json!({ "order": "17" }));
    assert!(text_of(&stored, "key").starts_with("in/") && text_of(&stored, "key").ends_with("_n.png"));
    assert_eq!(text_of(&stored, "url"), format!("{}/{}", server.url(), text_of(&stored, "handle")));
    let [asked] = &origin.received()[..] else { panic!("one request") };
    assert_eq!((asked.header("x-token"), asked.header("authorization")), (Some("1"), Some("Bearer t")));
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/a.png"));
}

/// Bare tasks of js without options, Python with `location`, Go with its capitals.
#[tokio::test]
async fn as_the_other_libraries_send_it() {
    let origin = origin().await;
    let server = fetching_server();
    let app = server.app("shop", &["--security"]);
    let url = origin.url("/a.png");
    let security = security_task(&app, &allowing(&["store"]));
    let go_security = json!({ "Name": "security", "Params": security["params"] });
    for (case, command) in [
        (
            "js without options",
            json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store" }, security] }),
        ),
        (
            "null params",
            json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store", "params": null }, security], "upload_tags": null }),
        ),
        (
            "Python",
            json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store", "params": { "location": "s3" } }, security] }),
        ),
        (
            "Go",
            json!({ "apiKey": app.key, "sources": [url], "tasks": [{ "Name": "store", "Params": { "workflows": "w1" } }, go_security] }),
        ),
        (
            "without headers",
            json!({ "apikey": app.key, "sources": [{ "source": url, "headers": null }], "tasks": [{ "name": "store", "params": { "unknown": {} } }, security] }),
        ),
    ] {
        let answer = process(&server, &command).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        let stored = answer.json();
        assert_eq!((&stored["filename"], &stored["size"]), (&json!("a.png"), &json!(png().len())), "{case}");
        assert!(!stored.as_object().expect("an object").contains_key("upload_tags"), "{case}");
        text_of(&stored, "handle");
    }
    assert_eq!(files_stored(&server).await, 5);
}

#[tokio::test]
async fn every_store_option_counts() {
    let origin = origin().await;
    let server = fetching_server();
    let app = server.app("shop", &[]);
    let options = json!({
        "location": "LOCAL", "path": "in/exact.txt", "container": "box", "filename": "n.txt", "mimetype": "text/x-own",
        "base64decode": true, "access": "private", "region": "eu-west-1", "tags": { "a": "1" }, "disableStorageKey": true,
    });
    let command = json!({
        "apikey": app.key, "sources": [origin.url("/text")], "tasks": [{ "name": "store", "params": options }], "upload_tags": { "b": "2" },
    });
    let stored = process(&server, &command).await.expect(200).json();
    let handle = text_of(&stored, "handle").to_owned();
    assert_eq!(
        (&stored["key"], &stored["container"], &stored["filename"]),
        (&json!("in/exact.txt"), &json!("box"), &json!("n.txt"))
    );
    assert_eq!(
        (&stored["type"], &stored["mimetype"], &stored["size"]),
        (&json!("text/x-own"), &json!("text/x-own"), &json!(11))
    );
    assert_eq!(stored["upload_tags"], json!({ "a": "1", "b": "2" }));
    assert_eq!(get(&server, &format!("/{handle}")).await.text(), "hello world");
    assert_eq!(get(&server, &format!("/{handle}/metadata?location=true")).await.json(), json!({ "location": "local" }));
}

/// A file of this server needs no network; with security on it must be the app's own.
#[tokio::test]
async fn own_files_are_sources_too() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt", "hello world").await;
    let command = json!({ "apikey": app.key, "sources": [stored["url"]], "tasks": [{ "name": "store" }] });
    let copy = process(&server, &command).await.expect(200).json();
    assert_eq!((&copy["filename"], &copy["size"]), (&json!("a.txt"), &json!(11)));
    assert_ne!(copy["handle"], stored["handle"]);
}

#[tokio::test]
async fn what_is_wrong_is_said_as_json() {
    let origin = origin().await;
    let server = fetching_server();
    let app = server.app("shop", &["--security"]);
    let url = origin.url("/a.png");
    let good = security_task(&app, &allowing(&["store"]));
    let tasks = json!([{ "name": "store" }, good]);
    let with_policy = |json: &str| json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store", "params": { "path": "/in/" } }, security_task(&app, json)] });
    let host = json!([{ "source": url, "headers": { "Host": "other.example" } }]);
    let split = json!([{ "source": url, "headers": { "X-A": "1\r\nX-B: 2" } }]);
    for (status, mentions, command) in [
        (400, "JSON", json!("text")),
        (400, "JSON", json!([])),
        (400, "apikey", json!({ "sources": [url], "tasks": tasks })),
        (401, "Invalid Application", json!({ "apikey": "Aunknown00000000000000z", "sources": [url], "tasks": tasks })),
        (400, "sources", json!({ "apikey": app.key, "tasks": tasks })),
        (400, "sources", json!({ "apikey": app.key, "sources": [], "tasks": tasks })),
        (400, "sources", json!({ "apikey": app.key, "sources": [url, url], "tasks": tasks })),
        (400, "sources", json!({ "apikey": app.key, "sources": [7], "tasks": tasks })),
        (400, "sources", json!({ "apikey": app.key, "sources": host, "tasks": tasks })),
        (400, "sources", json!({ "apikey": app.key, "sources": split, "tasks": tasks })),
        (400, "tasks", json!({ "apikey": app.key, "sources": [url] })),
        (400, "store", json!({ "apikey": app.key, "sources": [url], "tasks": [good] })),
        (
            403,
            "convert",
            json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "resize", "params": { "width": 1 } }, { "name": "store" }, good] }),
        ),
        (
            400,
            "path",
            json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store", "params": { "path": "../x" } }, good] }),
        ),
        (400, "upload_tags", json!({ "apikey": app.key, "sources": [url], "tasks": tasks, "upload_tags": [1] })),
        (400, "fetch", json!({ "apikey": app.key, "sources": [origin.url("/missing")], "tasks": tasks })),
        (
            403,
            "proper credentials were not provided",
            json!({ "apikey": app.key, "sources": [url], "tasks": [{ "name": "store" }] }),
        ),
        (403, "store", with_policy(&allowing(&["pick", "convert"]))),
        (403, "expired", with_policy(r#"{"expiry":1500000000}"#)),
        (403, "invalid security policy path", with_policy(r#"{"expiry":4102444800,"path":"/out/"}"#)),
        (403, "invalid security policy container", with_policy(r#"{"expiry":4102444800,"container":"other"}"#)),
        (403, "invalid security policy url", with_policy(r#"{"expiry":4102444800,"url":"https://"}"#)),
        (403, "maxSize", with_policy(r#"{"expiry":4102444800,"maxSize":10}"#)),
        (403, "minSize", with_policy(r#"{"expiry":4102444800,"minSize":1000}"#)),
    ] {
        let answer = process(&server, &command).await;
        assert_eq!(answer.status, status, "{command}: {}", answer.text());
        let error = answer.json();
        assert!(text_of(&error, "error").contains(mentions), "{command}: {error}");
        assert_eq!(answer.header("x-stowage-error"), text_of(&error, "code"));
    }
    assert_eq!(files_stored(&server).await, 0);
    assert!(origin.received().iter().all(|request| !request.head.contains("X-B")), "no header was smuggled");
    process(
        &server,
        &with_policy(r#"{"expiry":4102444800,"path":"/in/","container":"stowage","url":"http://127\\.0\\.0\\.2:"}"#),
    )
    .await
    .expect(200);
    let method = get(&server, "/process").await.expect(405);
    assert_eq!(method.header("allow"), "POST");
}
