//! What users, other clients and full accounts do to a provider: a clear error each time, and nothing half registered.

use reqwest::StatusCode;
use serde_json::Value;
use stowage_testkit::{Fault, FaultProxy, S3Server, SwiftServer};

use super::{Backend, install_tls_provider, on_every_provider};
use crate::{
    hostile::{encoded, eventually, files_stored},
    support::{App, HttpAnswer, Stowage, client, get, post, send, server, text_of},
};

on_every_provider!(misfortunes: [
    paths_are_kept_to_the_letter_or_refused,
    another_client_cannot_make_us_send_its_bytes
]);

fn start(backend: &Backend) -> (Stowage, App) {
    let server = server();
    let app = server.app("shop", &[]);
    backend.add_to(&server, &app);
    (server, app)
}

async fn put(backend: &Backend, server: &Stowage, app: &App, query: &str, content: &str) -> HttpAnswer {
    post(server, &format!("/api/store/{}?key={}&{query}", backend.location, app.key), content.to_owned()).await
}

async fn paths_are_kept_to_the_letter_or_refused(backend: &Backend) {
    let (server, app) = start(backend);
    let segment = "x".repeat(200);
    let longest = [segment.as_str(); 5].join("/") + "/" + &"y".repeat(1024 - 1005);
    assert_eq!(longest.len(), 1024);
    for path in [&format!("{longest}y"), "a\u{1}b", "a\tb", "a/../b.txt", "..", "a//b.txt", "/", "//", "a/./b"] {
        let refused = put(backend, &server, &app, &format!("path={}", encoded(path)), "x").await;
        // A lone slash is the root folder, where every file goes that names no path.
        if path == "/" {
            refused.expect(200);
            continue;
        }
        let refused = refused.expect(400);
        assert!(refused.text().contains("path"), "{path:?}: {}", refused.text());
    }
    let mut kept = files_stored(&server).await;
    assert_eq!(kept, 1);
    // These are paths; whether a provider has room for them is its own matter.
    // `s3s-fs` makes one file name of a key, which its disk does not take when it is long.
    let fits = if backend.provider == "s3" { &longest[..150] } else { &longest };
    for query in
        [format!("path={fits}"), format!("path={longest}/&filename=a.txt"), "path=a%20/b%20&filename=%20".to_owned()]
    {
        let answer = put(backend, &server, &app, &query, "hello").await;
        if answer.status == 200 {
            kept += 1;
            let stored = answer.json();
            let content = get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200);
            assert_eq!(content.text(), "hello", "{query}");
            let (object, _) =
                backend.object("files", text_of(&stored, "key")).await.expect("an object of that very key");
            assert_eq!(object, b"hello", "{query}");
        } else {
            let refused = answer.expect(400);
            assert!(refused.text().contains("path") || refused.text().contains("name"), "{query}: {}", refused.text());
        }
    }
    assert_eq!((files_stored(&server).await, backend.keys("files").await.len() as u64), (kept, kept));
}

/// Whether the whole content comes without any sign of an error.
async fn reads_well(server: &Stowage, stored: &Value) -> bool {
    let answer = client().get(format!("{}/{}", server.url(), text_of(stored, "handle"))).send().await;
    match answer {
        Ok(answer) if answer.status() == StatusCode::OK => answer.bytes().await.is_ok(),
        _ => false,
    }
}

async fn another_client_cannot_make_us_send_its_bytes(backend: &Backend) {
    let (server, app) = start(backend);
    let stored = put(backend, &server, &app, "path=a.txt", "the original").await.expect(200).json();
    assert!(reads_well(&server, &stored).await);
    for foreign in ["THE ORIGINAL", "shorter", "longer than the original"] {
        backend.put("a.txt", "text/plain", foreign.as_bytes()).await;
        assert!(!reads_well(&server, &stored).await, "{foreign:?} was sent as if it were the file");
    }
    let url = format!("{}/api/file/{}", server.url(), text_of(&stored, "handle"));
    let owner = |request: reqwest::RequestBuilder| request.basic_auth("app", Some(&app.secret));
    send(owner(client().post(&url)).body("the replacement")).await.expect(200);
    assert_eq!(send(client().get(&url)).await.expect(200).text(), "the replacement");

    backend.driver.delete(&backend.id("files", "a.txt")).await.expect("deleted behind our back");
    let missing = send(client().get(&url)).await.expect(502);
    assert_eq!(missing.header("x-stowage-error"), "object_missing");
    send(owner(client().post(&url)).body("and back again")).await.expect(200);
    assert_eq!(send(client().get(&url)).await.expect(200).text(), "and back again");
    send(owner(client().delete(&url))).await.expect(200);
    eventually("the object is removed", async || backend.object("files", "a.txt").await.is_none()).await;
    send(client().get(&url)).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_account_stores_nothing() {
    install_tls_provider();
    let provider = S3Server::start("files").await;
    let full = FaultProxy::start(&provider.endpoint()).await;
    full.fail(Fault::Status(507));
    let (endpoint, server) = (format!("endpoint={}", full.url()), server());
    let app = server.app("shop", &[]);
    let key = ["access_key_id=id", "secret_access_key=secret"];
    let account = ["account=account", "account_key=a2V5"];
    server.run(&[&["store", "add", "shop", "S3", "--provider", "s3", "bucket=files", &endpoint], &key[..]].concat());
    server.run(&["store", "add", "shop", "gcs", "--provider", "gcs", "bucket=files", &endpoint]);
    server.run(
        &[&["store", "add", "shop", "azure", "--provider", "azure", "container=files", &endpoint], &account[..]]
            .concat(),
    );
    for location in ["S3", "gcs", "azure"] {
        for length in [10, 20 << 20] {
            let path = format!("/api/store/{location}?key={}&path=a.bin", app.key);
            let refused = post(&server, &path, vec![7; length]).await.expect(507);
            assert_eq!(refused.header("x-stowage-error"), "storage_full", "{location} {length}");
        }
    }
    assert_eq!(files_stored(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_container_of_swift_stores_nothing() {
    install_tls_provider();
    let Some(swift) = SwiftServer::start() else { return };
    swift.request("PUT", "/files", &[("X-Container-Meta-Quota-Bytes", "1000")]).await;
    let server = server();
    let app = server.app("shop", &[]);
    let auth_url = format!("auth.url={}", swift.auth_url());
    let (user, key) = (format!("auth.user={}", SwiftServer::USER), format!("auth.key={}", SwiftServer::KEY));
    let settings = ["container=files", "auth.method=v1", &auth_url, &user, &key];
    server.run(&[&["store", "add", "shop", "rackspace", "--provider", "swift"], &settings[..]].concat());
    let path = format!("/api/store/rackspace?key={}&path=a.bin", app.key);
    let refused = post(&server, &path, vec![7; 1001]).await.expect(507);
    assert_eq!(refused.header("x-stowage-error"), "storage_full");
    assert_eq!(files_stored(&server).await, 0);
    post(&server, &path, vec![7; 900]).await.expect(200);
}
