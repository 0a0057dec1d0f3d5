//! Apps of one server share nothing (issue 2 §3): neither files nor keys nor credentials.

use reqwest::Method;
use serde_json::json;

use crate::{
    hostile::eventually,
    support::{
        App, HttpAnswer, Stowage, allowing, client, get, post, security_segment, send, server, signed, store, text_of,
    },
};

const EVERYTHING: &str = r#"{"expiry":4102444800,"call":["pick","read","stat","write","writeUrl","store","convert","remove","exif","runWorkflow"]}"#;

#[tokio::test]
async fn credentials_of_one_app_open_nothing_of_another() {
    let server = server();
    let ours = server.app("ours", &["--security"]);
    let theirs = server.app("theirs", &["--security"]);
    let stored = store(&server, &ours, &signed(&ours, &allowing(&["store"])), "our content").await;
    let handle = text_of(&stored, "handle");
    let policy = signed(&theirs, EVERYTHING);
    let segment = security_segment(&theirs, EVERYTHING);
    let file = format!("/api/file/{handle}");
    let requests = [
        (Method::GET, file.clone()),
        (Method::HEAD, file.clone()),
        (Method::GET, format!("{file}/metadata")),
        (Method::POST, file.clone()),
        (Method::PUT, file.clone()),
        (Method::DELETE, file.clone()),
        (Method::POST, format!("{file}/remove")),
        (Method::GET, format!("/{handle}")),
        (Method::GET, format!("/{handle}/metadata")),
        (Method::GET, format!("/file/{handle}/metadata")),
        (Method::GET, format!("/{segment}/{handle}")),
        (Method::GET, format!("/{segment}/store/{handle}")),
        // With the other key in front the file must not even seem to exist.
        (Method::GET, format!("/{}/{handle}", theirs.key)),
        (Method::GET, format!("/{}/{segment}/{handle}", theirs.key)),
        (Method::GET, format!("/{}/metadata/{handle}", theirs.key)),
        (Method::GET, format!("/{}/{segment}/store/{handle}", theirs.key)),
        (Method::POST, format!("/api/store/S3/{handle}?key={}", theirs.key)),
        (Method::POST, format!("/api/store/S3?key={}&url={}/{handle}", theirs.key, server.url())),
        (Method::POST, format!("/api/store/S3?key={}", ours.key)),
    ];
    for (method, path) in requests {
        let glue = if path.contains('?') { '&' } else { '?' };
        let by_policy =
            client().request(method.clone(), format!("{}{path}{glue}{policy}&key={}", server.url(), theirs.key));
        let by_password =
            client().request(method.clone(), format!("{}{path}", server.url())).basic_auth("app", Some(&theirs.secret));
        for request in [by_policy, by_password] {
            let body = if path.contains("url=") || method == Method::GET { "" } else { "their content" };
            let answer = send(request.body(body)).await;
            assert!(matches!(answer.status, 403 | 404), "{method} {path}: {} {}", answer.status, answer.text());
        }
    }
    let read = get(&server, &format!("{file}?{}", signed(&ours, EVERYTHING))).await.expect(200);
    assert_eq!(read.text(), "our content");
}

/// An exact key is one object per app and container.
#[tokio::test]
async fn equal_keys_are_different_files() {
    let server = server();
    let (ours, theirs) = (server.app("ours", &[]), server.app("theirs", &[]));
    let first = store(&server, &ours, "path=docs/a.txt", "ours").await;
    let second = store(&server, &theirs, "path=docs/a.txt", "theirs").await;
    assert_eq!(first["key"], second["key"]);
    let read = async |stored: &serde_json::Value| get(&server, &format!("/{}", text_of(stored, "handle"))).await;
    assert_eq!((read(&first).await.text(), read(&second).await.text()), ("ours", "theirs"));
    let delete = client()
        .delete(format!("{}/api/file/{}", server.url(), text_of(&second, "handle")))
        .basic_auth("app", Some(&theirs.secret));
    send(delete).await.expect(200);
    read(&second).await.expect(404);
    assert_eq!(read(&first).await.text(), "ours");
}

/// What anybody may read may also be copied; what is secured may not (spec 02 §3.2).
#[tokio::test]
async fn another_apps_open_file_can_be_copied() {
    let server = server();
    let (ours, theirs) = (server.app("ours", &[]), server.app("theirs", &[]));
    let stored = store(&server, &ours, "filename=a.txt", "open content").await;
    let handle = text_of(&stored, "handle");
    assert_eq!(get(&server, &format!("/{}/{handle}", theirs.key)).await.expect(200).text(), "open content");
    let owner_of = async |answer: HttpAnswer| {
        let copy = answer.expect(200).json();
        let overwrite = client().post(format!("{}/api/file/{}", server.url(), text_of(&copy, "handle"))).body("x");
        let by = async |app: &App| {
            send(overwrite.try_clone().expect("a plain body").basic_auth("app", Some(&app.secret))).await.status
        };
        (by(&ours).await, by(&theirs).await)
    };
    for answer in [
        get(&server, &format!("/{}/store/{handle}", theirs.key)).await,
        post(&server, &format!("/api/store/S3/{handle}?key={}", theirs.key), "").await,
    ] {
        assert_eq!(owner_of(answer).await, (403, 200), "the copy belongs to the app that made it");
    }
    assert_eq!(
        owner_of(get(&server, &format!("/store/{handle}")).await).await,
        (200, 403),
        "without a key to the file's own app"
    );
}

async fn set(server: &Stowage, arguments: &[&str]) {
    server.run(&[&["app", "set"], arguments].concat());
}

#[tokio::test]
async fn settings_of_one_app_leave_the_others_alone() {
    let server = server();
    let (ours, theirs) = (server.app("ours", &[]), server.app("theirs", &[]));
    set(&server, &["ours", "--security", "true", "--max-file-size", "3B", "--allowed-mime-types", "image/*"]).await;
    eventually("the running server notices", async || {
        post(&server, &format!("/api/store/S3?key={}", ours.key), "content").await.status == 403
    })
    .await;
    store(&server, &theirs, "", "content").await;
    server.run(&["app", "delete", "ours", "--force"]);
    eventually("the running server notices", async || {
        post(&server, &format!("/api/store/S3?key={}", ours.key), "content").await.status == 401
    })
    .await;
    let stored = store(&server, &theirs, "filename=a.txt", "content").await;
    assert_eq!(stored["filename"], json!("a.txt"));
}
