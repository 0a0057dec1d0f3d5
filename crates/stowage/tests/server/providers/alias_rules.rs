//! Who may read what through an alias, on S3 for all providers.

use serde_json::{Value, json};

use super::{Backend, install_tls_provider};
use crate::{
    hostile::{encoded, files_stored},
    support::{App, HttpAnswer, Stowage, get, post, raw_request, server, signed},
};

/// Every door that takes an alias.
async fn through_every_door(server: &Stowage, app: &App, source: &str, query: &str) -> [HttpAnswer; 3] {
    let key = &app.key;
    // A URL library would resolve dots before they are sent.
    let get = async |path: String| raw_request(server, &format!("GET {path} HTTP/1.1"), b"").await;
    [
        get(format!("/{key}/{source}?{query}")).await,
        get(format!("/{key}/store/{source}?{query}")).await,
        post(server, &format!("/api/store/local?key={key}&url={}&{query}", encoded(source)), "").await,
    ]
}

async fn backend_with_an_object() -> Backend {
    install_tls_provider();
    let backend = Backend::s3().await.expect("S3 is in this process");
    backend.put("docs/a.txt", "text/plain", b"hello").await;
    backend
}

fn policy(app: &App, more: Value) -> String {
    let mut policy = json!({ "expiry": 4_102_444_800_u64, "call": ["read", "store"] });
    if let (Value::Object(policy), Value::Object(more)) = (&mut policy, more) {
        policy.extend(more);
    }
    signed(app, &policy.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_uploads_go_an_alias_needs_security() {
    let backend = backend_with_an_object().await;
    let server = server();
    let (open, secured) = (server.app("open", &[]), server.app("secured", &["--security"]));
    for app in [&open, &secured] {
        backend.add_as(&server, app, "S3", &backend.settings);
    }
    let stored = files_stored(&server).await;
    for answer in through_every_door(&server, &open, "src://S3/docs/a.txt", "").await {
        let answer = answer.expect(403);
        assert_eq!(answer.header("x-stowage-error"), "alias_needs_security", "{}", answer.text());
    }
    assert_eq!(files_stored(&server).await, stored);
    for answer in through_every_door(&server, &secured, "src://S3/docs/a.txt", &policy(&secured, json!({}))).await {
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_belongs_to_its_app() {
    let backend = backend_with_an_object().await;
    let server = server();
    let (owner, other) = (server.app("owner", &[]), server.app("other", &[]));
    backend.add_as(&server, &owner, "archive", &backend.settings);
    for answer in through_every_door(&server, &owner, "src://archive/docs/a.txt", "").await {
        answer.expect(200);
    }
    let stored = files_stored(&server).await;
    for (app, source) in [(&other, "src://archive/docs/a.txt"), (&owner, "src://unknown/docs/a.txt")] {
        for answer in through_every_door(&server, app, source, "").await {
            let answer = answer.expect(400);
            assert_eq!(answer.header("x-stowage-error"), "alias_not_configured", "{}", answer.text());
        }
    }
    get(&server, "/src://archive/docs/a.txt").await.expect(400);
    get(&server, "/AAAAAAAAAAAAAAAAAAAAAz/src://archive/docs/a.txt").await.expect(401);
    for answer in through_every_door(&server, &owner, "src://local/docs/a.txt", "").await {
        assert_eq!(answer.expect(400).header("x-stowage-error"), "store_unsupported", "local disk has no paths");
    }
    assert_eq!(files_stored(&server).await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_way_out_of_the_container() {
    let backend = backend_with_an_object().await;
    let server = server();
    let app = server.app("shop", &[]);
    backend.add_as(&server, &app, "archive", &backend.settings);
    for source in [
        "src://archive/../second/a.txt",
        "src://archive/docs/../../second/a.txt",
        "src://archive/docs/./a.txt",
        "src://archive/%2e%2e/second/a.txt",
        "src://archive/%252e%252e/second/a.txt",
        "src://archive/..%2fsecond/a.txt",
        "src://archive/docs%5c..%5ca.txt",
        "src://archive/docs//a.txt",
        "src://../archive/docs/a.txt",
        "src://archive/docs/",
        "src://archive/",
        "src://archive",
    ] {
        for answer in through_every_door(&server, &app, source, "").await {
            assert_eq!(answer.status, 400, "{source}: {}", answer.text());
        }
    }
    assert_eq!(files_stored(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_bind_aliases() {
    let backend = backend_with_an_object().await;
    let server = server();
    let app = server.app("shop", &["--security"]);
    backend.add_as(&server, &app, "archive", &backend.settings);
    let source = "src://archive/docs/a.txt";
    for (fits, more) in [
        (true, json!({})),
        (true, json!({ "url": "src://archive/docs/.*" })),
        (false, json!({ "url": "src://archive/pictures/.*" })),
        (false, json!({ "url": "https://.*" })),
        (false, json!({ "handle": "AAAAAAAAAAAAAAAAAAAA" })),
        (false, json!({ "call": ["stat"] })),
    ] {
        let query = policy(&app, more.clone());
        for answer in through_every_door(&server, &app, source, &query).await {
            assert_eq!(answer.status, if fits { 200 } else { 403 }, "{more}: {}", answer.text());
        }
    }
    for answer in through_every_door(&server, &app, source, "").await {
        assert_eq!(answer.expect(403).header("x-stowage-error"), "policy_missing");
    }
    let metadata = format!("/{}/metadata/{source}", app.key);
    for (status, more) in [
        (403, json!({})),
        (200, json!({ "call": ["stat"] })),
        (403, json!({ "call": ["stat"], "url": "src://archive/pictures/.*" })),
        (403, json!({ "call": ["stat"], "handle": "AAAAAAAAAAAAAAAAAAAA" })),
    ] {
        get(&server, &format!("{metadata}?{}", policy(&app, more.clone()))).await.expect(status);
    }
    let exif = format!("{metadata}?exif=true&{}", policy(&app, json!({ "call": ["stat"] })));
    get(&server, &exif).await.expect(403);
    let signed = get(&server, &format!("/{}/{source}?{}", app.key, policy(&app, json!({})))).await.expect(200);
    assert!(signed.header("cache-control").starts_with("private"), "{signed:?}");
}
