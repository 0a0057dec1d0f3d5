//! `url`, `path`, `container`, `handle`, `minSize` and `maxSize` of a policy (spec 04 §3), over HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use stowage_core::{handle::AppSecret, policy};
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::{encoded, eventually, files_stored, objects},
    support::{
        App, HttpAnswer, Stowage, client, get, multipart, post, security_segment, send, server, server_with, signed,
        store, text_of,
    },
};

/// A policy of one bound, signed for the query.
fn bounded(app: &App, key: &str, value: impl Into<Value>) -> String {
    signed(app, &bounded_json(key, value))
}

fn bounded_json(key: &str, value: impl Into<Value>) -> String {
    json!({ "expiry": 4_102_444_800_u64, key: value.into() }).to_string()
}

fn assert_refused(answer: HttpAnswer, mentions: &str) {
    let answer = answer.expect(403);
    assert!(answer.text().contains("policy error") && answer.text().contains(mentions), "{}", answer.text());
}

#[tokio::test]
async fn paths_match_from_their_start() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let upload = async |pattern: &str, query: &str| {
        let policy = bounded(&app, "path", pattern);
        post(&server, &format!("/api/store/S3?key={}&{query}&{policy}", app.key), "x").await
    };
    for (pattern, path) in [
        ("/uploads/.*", "/uploads/a.txt"),
        ("/uploads/.*", "uploads/a.txt"),
        ("/uploads/", "/uploads/deep/er/a.txt"),
        ("uploads/", "/uploads/a.txt"),
        ("uploads/", "uploads/"),
        (".*", "anything"),
        (".*", ""),
        ("/$", ""),
        ("/a|/b", "/b/c.txt"),
    ] {
        upload(pattern, &format!("path={path}")).await.expect(200);
    }
    let stored = files_stored(&server).await;
    for (pattern, path) in [
        ("/uploads/", "/private/uploads/a.txt"),
        ("uploads/", "x/uploads/a.txt"),
        ("/uploads/", "/Uploads/a.txt"),
        ("/uploads/$", "/uploads/a.txt"),
        ("/uploads/", ""),
        ("uploads/", "/"),
        ("/uploads/.*", "/private/%0A/uploads/a.txt"),
    ] {
        let answer = upload(pattern, &format!("path={path}")).await;
        assert!(matches!(answer.status, 400 | 403), "{pattern} {path}: {}", answer.text());
        if !path.contains('%') {
            assert_refused(answer, "invalid security policy path");
        }
    }
    // An expression that is none refuses, and costs no time (threat I3).
    for pattern in ["(", "a{9999}{9999}", "(?<=x)y", r"(a)\1"] {
        assert_refused(upload(pattern, "path=/a").await, "path");
    }
    assert_refused(upload("(a|a)*b", &format!("path=/{}", "a".repeat(200))).await, "path");
    assert_eq!(files_stored(&server).await, stored);
}

#[tokio::test]
async fn strict_patterns_match_whole() {
    let server = server_with(&[("STOWAGE_SECURITY_STRICT_PATTERNS", "true")]);
    let app = server.app("shop", &["--security"]);
    let upload = async |pattern: &str| {
        let policy = bounded(&app, "path", pattern);
        post(&server, &format!("/api/store/S3?key={}&path=/uploads/a.txt&{policy}", app.key), "x").await
    };
    assert_refused(upload("/uploads/").await, "invalid security policy path");
    upload("/uploads/.*").await.expect(200);
}

#[tokio::test]
async fn containers_and_handles_match_whole() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let upload = async |pattern: &str, query: &str| {
        let policy = bounded(&app, "container", pattern);
        post(&server, &format!("/api/store/S3?key={}&{query}&{policy}", app.key), "x").await
    };
    for (pattern, query) in [
        ("my-bucket", "container=my-bucket"),
        ("my-.*", "container=my-bucket"),
        ("stowage", ""),
        ("a|b", "container=b"),
    ] {
        upload(pattern, query).await.expect(200);
    }
    for (pattern, query) in [
        ("my-bucket", "container=my-bucket2"),
        ("my-bucket", "container=not-my-bucket"),
        ("my-bucket", ""),
        ("a|b", "container=bc"),
    ] {
        assert_refused(upload(pattern, query).await, "invalid security policy container");
    }
    let first = upload("stowage", "").await.expect(200).json();
    let second = upload("stowage", "").await.expect(200).json();
    let (first, second) = (text_of(&first, "handle"), text_of(&second, "handle"));
    for (pattern, opens_first, opens_second) in [
        (first.to_owned(), 200, 403),
        (format!("{first}|{second}"), 200, 200),
        (".*".to_owned(), 200, 200),
        (first[..19].to_owned(), 403, 403),
    ] {
        let policy = bounded(&app, "handle", pattern.as_str());
        for (handle, status) in [(first, opens_first), (second, opens_second)] {
            get(&server, &format!("/{handle}?{policy}")).await.expect(status);
            get(&server, &format!("/api/file/{handle}?{policy}")).await.expect(status);
            get(&server, &format!("/{handle}/metadata?{policy}")).await.expect(status);
        }
    }
}

/// Every way of naming a source URL, by one policy.
async fn by_url(server: &Stowage, app: &App, policy: &str, url: &str) -> Vec<HttpAnswer> {
    let signed = policy::sign(&AppSecret::new(app.secret.clone()), policy);
    let query = format!("policy={}&signature={}", signed.policy, signed.signature);
    let target = format!("{}/api/store/S3?key={}&{query}", server.url(), app.key);
    let tasks = json!([{ "name": "store" }, { "name": "security", "params": signed }]);
    let process = json!({ "apikey": app.key, "sources": [url], "tasks": tasks }).to_string();
    let (form_type, form) = multipart(&[(r#"name="url""#, None, url.as_bytes())]);
    let requests = [
        client().post(&target).header("Content-Type", "application/json").body(json!({ "url": url }).to_string()),
        client()
            .post(&target)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("url={}", encoded(url))),
        client().post(&target).header("Content-Type", form_type).body(form),
        client().post(format!("{target}&url={}", encoded(url))),
        client().post(format!("{}/process", server.url())).body(process),
        client().get(format!("{}/{}/{}/store/{}", server.url(), app.key, security_segment(app, policy), encoded(url))),
    ];
    let mut answers = Vec::new();
    for request in requests {
        answers.push(send(request).await);
    }
    answers
}

#[tokio::test]
async fn source_urls_match_from_their_start() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"far")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &["--security"]);
    let allowed = origin.url("/allowed/a.txt");
    let pattern = origin.url("/allowed/").replace('.', "\\.");
    for answer in by_url(&server, &app, &bounded_json("url", pattern.as_str()), &allowed).await {
        answer.expect(200);
    }
    let fetched = origin.received().len();
    for url in [
        origin.url("/other/a.txt"),
        origin.url(&format!("/other?u={allowed}")),
        format!("http://user@127.0.0.2/{allowed}"),
        "https://example.com/allowed/".to_owned(),
    ] {
        for answer in by_url(&server, &app, &bounded_json("url", pattern.as_str()), &url).await {
            assert_refused(answer, "invalid security policy url");
        }
    }
    assert_eq!(origin.received().len(), fetched, "nothing was asked of the origin");
    assert_eq!(files_stored(&server).await, 6);
    // The same bound holds for overwriting by URL.
    let stored = store(&server, &app, &signed(&app, r#"{"expiry":4102444800}"#), "the original").await;
    let overwrite = async |url: &str| {
        let policy = bounded(&app, "url", pattern.as_str());
        post(&server, &format!("/api/file/{}?url={}&{policy}", text_of(&stored, "handle"), encoded(url)), "").await
    };
    assert_refused(overwrite(&origin.url("/other/a.txt")).await, "invalid security policy url");
    overwrite(&allowed).await.expect(200);
}

#[tokio::test]
async fn sizes_hold_for_every_body_form() {
    let origin = Origin::start("127.0.0.2", |request| {
        let length: usize = request.target.trim_start_matches('/').parse().expect("a length");
        Reply::ok("text/plain", &vec![b'x'; length])
    })
    .await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &["--security"]);
    let sizes = json!({ "expiry": 4_102_444_800_u64, "minSize": 5, "maxSize": 9 }).to_string();
    // Swift's names.
    let aliases = json!({ "expiry": 4_102_444_800_u64, "min_size": 5, "max_size": 9 }).to_string();
    for policy in [&sizes, &aliases] {
        let target = format!("{}/api/store/S3?key={}&{}", server.url(), app.key, signed(&app, policy));
        let requests = |length: usize| {
            let content = vec![b'x'; length];
            let (form_type, form) = multipart(&[(r#"name="fileUpload"; filename="a""#, None, &content)]);
            let chunks: Vec<_> = content.chunks(2).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
            let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &content);
            [
                client().post(&target).body(content),
                client().post(&target).body(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))),
                client().post(&target).header("Content-Type", form_type).body(form),
                client().post(format!("{target}&base64decode=true")).body(base64),
            ]
        };
        for (length, mentions) in
            [(4, Some("minSize")), (5, None), (9, None), (10, Some("maxSize")), (100_000, Some("maxSize"))]
        {
            let mut answers = by_url(&server, &app, policy, &origin.url(&format!("/{length}"))).await;
            for request in requests(length) {
                answers.push(send(request).await);
            }
            for answer in answers {
                match mentions {
                    None => drop(answer.expect(200)),
                    Some(mentions) => assert_refused(answer, mentions),
                }
            }
        }
    }
    assert_eq!(files_stored(&server).await, 40);
    eventually("nothing is left of the others", async || objects(server.data()).len() == 40).await;
}

/// The server stops a body that is too large while it comes; it does not take all of it first.
#[tokio::test]
async fn max_size_is_enforced_while_streaming() {
    const OFFERED: usize = 4096;
    let server = server();
    let app = server.app("shop", &["--security"]);
    let policy = bounded(&app, "maxSize", 1_000_000);
    for query in ["", "&base64decode=true"] {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let chunks = futures_util::stream::iter(0..OFFERED).map_counted(counter);
        let url = format!("{}/api/store/S3?key={}{query}&{policy}", server.url(), app.key);
        let outcome = client().post(url).body(reqwest::Body::wrap_stream(chunks)).send().await;
        // The connection may end under the sender before it has read the answer.
        if let Ok(answer) = outcome {
            assert_eq!(answer.status(), 403);
        }
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < OFFERED / 2, "{taken} of {OFFERED} MiB were taken");
    }
    assert_eq!(files_stored(&server).await, 0);
    eventually("nothing is left", async || objects(server.data()).is_empty()).await;
}

trait MapCounted: futures_util::Stream<Item = usize> + Sized {
    /// One MiB for each item, counted when it is asked for.
    fn map_counted(
        self,
        counter: Arc<AtomicUsize>,
    ) -> impl futures_util::Stream<Item = Result<Vec<u8>, std::io::Error>> {
        futures_util::StreamExt::map(self, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(vec![b'A'; 1 << 20])
        })
    }
}

impl<S: futures_util::Stream<Item = usize>> MapCounted for S {}
