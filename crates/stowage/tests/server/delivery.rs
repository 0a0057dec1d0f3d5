//! The delivery grammar over HTTP (spec 02 §3) and the `store` task in a path (spec 01 §6).

use base64::{Engine, engine::general_purpose::URL_SAFE};
use serde_json::{Value, json};
use stowage_core::{handle::AppSecret, policy};
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::{encoded, files_stored},
    support::{
        App, Stowage, allowing, client, get, png, post, raw_request, security_segment, send, server, server_with,
        signed, store, text_of,
    },
};

/// A file of an app with security on.
async fn secured_file(server: &Stowage, app: &App) -> Value {
    store(
        server,
        app,
        &format!("filename=a.txt&mimetype=text/plain&{}", signed(app, &allowing(&["store"]))),
        "hello world",
    )
    .await
}

#[tokio::test]
async fn a_handle_with_and_without_key_by_every_method() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt&mimetype=text/plain", "hello world").await;
    let handle = text_of(&stored, "handle");
    let key = &app.key;
    for path in [
        format!("/{handle}"),
        format!("/{handle}/"),
        format!("/{handle}+txt"),
        format!("/{key}/{handle}"),
        format!("//{key}//{handle}"),
        format!("/{handle}?key={key}"),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = raw_request(&server, &format!("{method} {path} HTTP/1.1"), b"").await.expect(200);
            assert_eq!(answer.header("content-length"), "11", "{method} {path}");
            assert_eq!(answer.header("x-file-name"), "a.txt");
            assert_eq!(answer.text(), if method == "HEAD" { "" } else { "hello world" }, "{method} {path}");
        }
    }
    let go =
        raw_request(&server, &format!("GET /{key}/{handle} HTTP/1.1\nContent-Type: application/json"), b"null\n").await;
    assert_eq!(go.expect(200).text(), "hello world");
    get(&server, &format!("/Aunknown00000000000000z/{handle}")).await.expect(401);
    for path in ["/AAAAAAAAAAAAAAAAAAAA", "/favicon.ico", "/robots.txt", "/a/b/c"] {
        let answer = get(&server, path).await;
        assert!((400..500).contains(&answer.status), "{path}");
        let error = answer.json();
        assert!(error["error"].is_string() && error["code"].is_string(), "{path}: {error}");
    }
    // A full delivery URL of the vendor stands for its handle, and base64 for any source.
    let vendor = encoded(&format!("https://cdn.filestackcontent.com/{handle}"));
    for source in [vendor, format!("b64://{}", URL_SAFE.encode(handle)), format!("%22{handle}%22")] {
        assert_eq!(get(&server, &format!("/{key}/{source}")).await.expect(200).text(), "hello world", "{source}");
    }
}

/// Spec 02 §3.3.
#[tokio::test]
async fn security_in_every_spelling_and_position() {
    let server = server();
    let app = server.app("shop", &["--security"]);
    let stored = secured_file(&server, &app).await;
    let (handle, key) = (text_of(&stored, "handle"), &app.key);
    let secret = AppSecret::new(app.secret.clone());
    // With the standard alphabet (JavaScript, Swift) this has `+` and `/`: `?>~` in the JSON gives them.
    let odd = r#"{"expiry":4102444800,"call":["read","convert"],"x":"?>?>~~~???>>>"}"#;
    let standard = base64::engine::general_purpose::STANDARD.encode(odd);
    assert!(standard.contains('+') && standard.contains('/'), "{standard}");
    let pairs = [
        policy::sign(&secret, &allowing(&["read"])),
        policy::SignedPolicy { signature: policy::signature_of(&secret, &standard), policy: standard },
    ];
    for pair in pairs {
        let (policy, signature) = (&pair.policy, &pair.signature);
        for segment in [
            format!("security=p:{policy},s:{signature}"),
            format!("security=s:{signature},p:{policy}"),
            format!("security=policy:{policy},signature:{signature}"),
            format!("security=signature:{signature},policy:{policy}"),
            format!("security=policy:{},signature:{signature}", encoded(policy)),
            format!("security=policy:{policy},signature:{}", signature.to_uppercase()),
            format!("SECURITY=Policy:{policy},Signature:{signature}"),
        ] {
            for path in [
                format!("/{segment}/{handle}"),
                format!("/{key}/{segment}/{handle}"),
                format!("/{segment}/cache=expiry:60/{handle}"),
                format!("/cache=expiry:60/{segment}/{handle}"),
                format!("/{key}/cache=expiry:60/{segment}/{handle}"),
            ] {
                let answer = raw_request(&server, &format!("GET {path} HTTP/1.1"), b"").await;
                assert_eq!((answer.status, answer.text()), (200, "hello world"), "{path}");
            }
        }
        // In a query everything is percent-encoded; an unescaped plus was a plus.
        for query in [
            format!("policy={}&signature={signature}", encoded(policy)),
            format!("signature={signature}&policy={policy}"),
            format!("&&dl=true&policy={policy}&signature={signature}"),
        ] {
            assert_eq!(get(&server, &format!("/{handle}?{query}")).await.expect(200).text(), "hello world", "{query}");
        }
    }
    let (good, bad) = (security_segment(&app, &allowing(&["read"])), security_segment(&app, &allowing(&["store"])));
    let (good_query, bad_query) = (signed(&app, &allowing(&["read"])), signed(&app, &allowing(&["store"])));
    get(&server, &format!("/{good}/{handle}?{bad_query}")).await.expect(200);
    get(&server, &format!("/{bad}/{handle}?{good_query}")).await.expect(403);
    get(&server, &format!("/{good}/{bad}/{handle}")).await.expect(200);
    get(&server, &format!("/{bad}/{good}/{handle}")).await.expect(403);
    get(&server, &format!("/security=policy:,signature:/{handle}?{good_query}")).await.expect(200);
    let refused = get(&server, &format!("/{handle}")).await.expect(403).json();
    assert_eq!(
        refused,
        json!({ "error": "policy error: proper credentials were not provided", "code": "policy_missing" })
    );
}

#[tokio::test]
async fn cache_and_content_tasks_shape_the_answer() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt&mimetype=text/plain", "hello world").await;
    let handle = text_of(&stored, "handle");
    for (task, expected) in [
        ("", "public, max-age=2592000"),
        ("cache/", "public, max-age=2592000"),
        ("cache=expiry:60/", "public, max-age=60"),
        ("cache=e:60/", "public, max-age=60"),
        ("cache=expiry:max/", "public, max-age=31536000"),
        ("cache=false/", "no-store"),
        ("cache=f/", "no-store"),
    ] {
        let answer = get(&server, &format!("/{task}{handle}")).await.expect(200);
        assert_eq!(answer.header("cache-control"), expected, "{task}");
        assert_eq!(answer.text(), "hello world");
    }
    for wrong in ["cache=expiry:0", "cache=expiry:soon", "cache=expiry:31536001", "cache=expiry:-1"] {
        let answer = get(&server, &format!("/{wrong}/{handle}")).await.expect(400);
        assert!(
            answer.json()["error"].as_str().is_some_and(|text| text.contains("expiry")),
            "{wrong}: {}",
            answer.text()
        );
    }
    let content =
        get(&server, &format!("/content=filename:%22other name.csv%22,type:text%2Fcsv/{handle}")).await.expect(200);
    assert_eq!((content.header("content-type"), content.header("x-file-name")), ("text/csv", "other name.csv"));
    assert_eq!(content.header("content-disposition"), "inline; filename=\"other name.csv\"");
    let download = get(&server, &format!("/content=f:b.csv/{handle}?dl=true")).await.expect(200);
    assert_eq!(download.header("content-disposition"), "attachment; filename=\"b.csv\"");
    let range = send(client().get(format!("{}/cache=expiry:60/{handle}", server.url())).header("Range", "bytes=0-4"))
        .await
        .expect(206);
    assert_eq!((range.text(), range.header("cache-control")), ("hello", "public, max-age=60"));
    for active in ["text/html", "image/svg%2Bxml"] {
        get(&server, &format!("/content=type:{}/{handle}", active.replace('/', "%2F"))).await.expect(400);
    }
    let download = get(&server, &format!("/{handle}?dl=true")).await.expect(200);
    assert_eq!(download.header("content-disposition"), "attachment; filename=\"a.txt\"");
}

/// Tasks of later versions are refused by name, not ignored.
#[tokio::test]
async fn what_cannot_be_done_is_named() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "filename=a.txt", "hello world").await;
    let (handle, key) = (text_of(&stored, "handle"), &app.key);
    for (path, named) in [
        (format!("/ocr/{handle}"), "ocr"),
        (format!("/{key}/ocr/store/{handle}"), "ocr"),
        (format!("/ocr%2Fblur=amount:4/{handle}"), "ocr"),
        (format!("/cache=expiry:60/tags/{handle}"), "tags"),
        (format!("/{key}/zip/resize=width:10/[{handle},{handle}]"), "zip"),
        (format!("/{key}/store/[{handle},{handle}]"), "list of sources"),
        (format!("/{key}/b64/{}/{handle}", URL_SAFE.encode(r#"[{"name":"ocr","params":{}}]"#)), "ocr"),
    ] {
        let answer = get(&server, &path).await.expect(400);
        let error = answer.json();
        assert_eq!(error["code"], "unsupported_conversion", "{path}");
        assert!(
            text_of(&error, "error").starts_with("Unsupported conversion") && text_of(&error, "error").contains(named),
            "{path}: {error}"
        );
    }
    get(&server, &format!("/reszie=width:10/{handle}")).await.expect(400);
    assert_eq!(files_stored(&server).await, 1);
}

/// The JSON of spec 01 §6.
fn assert_stored(case: &str, server: &Stowage, answer: &Value) {
    let handle = text_of(answer, "handle");
    assert_eq!(text_of(answer, "url"), format!("{}/{handle}", server.url()), "{case}");
    assert_eq!(text_of(answer, "url").split('/').nth(3), Some(handle), "{case}: Java takes the fourth piece");
    assert!(
        answer["size"].is_u64() && answer["key"].is_string() && answer["container"].is_string(),
        "{case}: {answer}"
    );
}

/// A stored file is stored again, as each library asks for it.
#[tokio::test]
async fn store_tasks_on_a_handle() {
    let server = server();
    let app = server.app("shop", &[]);
    let picture = store(&server, &app, "filename=a.png", png()).await;
    let (handle, key) = (text_of(&picture, "handle"), &app.key);
    let js = URL_SAFE.encode(r#"[{"name":"store","params":{"filename":"n.png","path":"in/"}}]"#);
    let go = URL_SAFE.encode(r#"[{"Name":"store","Params":{"filename":"n.png","path":"in/"}}]"#);
    for (case, request, name, prefix) in [
        ("plugin", format!("GET /{key}/store/{handle}"), "a.png", ""),
        ("Python", format!("POST /store=filename:n.png,path:\"in/\",workflows:[w1,w2]/{handle}"), "n.png", "in/"),
        (
            "Python, encoded",
            format!("POST /store=filename:n.png,path:%22in/%22,workflows:%5Bw1,w2%5D/{handle}"),
            "n.png",
            "in/",
        ),
        ("Java", format!("POST /{key}/cache=expiry:60%2Fstore=filename:n.png,location:s3/{handle}"), "n.png", ""),
        ("Java, encoded", format!("POST /store=path:%2Fin%2F,filename:n.png/{handle}"), "n.png", "in/"),
        ("Swift", format!("GET /{key}/store=location:s3,path:my/in/,filename:n.png/{handle}"), "n.png", "my/in/"),
        ("PHP", format!("GET /{key}/store=filename:n.png,path:%2Fin%2F/{handle}"), "n.png", "in/"),
        ("JavaScript, base64", format!("GET /{key}/b64/{js}/b64://{}", URL_SAFE.encode(handle)), "n.png", "in/"),
        ("Go, base64", format!("GET /{key}/b64/{go}/{handle}"), "n.png", "in/"),
        ("short letters", format!("GET /store=f:n.png,p:%22in/%22,l:S3,c:box,a:private/{handle}"), "n.png", "in/"),
        ("two store tasks", format!("GET /{key}/store=path:%22in/%22/store=workflows:[w1]/{handle}"), "a.png", "in/"),
    ] {
        let answer = raw_request(&server, &format!("{request} HTTP/1.1\nContent-Type: application/json"), b"").await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        let stored = answer.json();
        assert_stored(case, &server, &stored);
        assert_ne!(stored["handle"], picture["handle"], "{case}");
        assert_eq!(
            (&stored["filename"], &stored["type"], &stored["size"]),
            (&json!(name), &json!("image/png"), &json!(png().len())),
            "{case}"
        );
        assert_eq!((&stored["width"], &stored["height"]), (&json!(3), &json!(2)), "{case}");
        let key = text_of(&stored, "key");
        assert_eq!(key.len(), prefix.len() + 20 + 1 + name.len(), "{case}: {key}");
        assert!(key.starts_with(prefix), "{case}: {key}");
        assert!(get(&server, &format!("/{}", text_of(&stored, "handle"))).await.expect(200).body == png(), "{case}");
    }
    let exact = get(&server, &format!("/{key}/store=path:%22in/exact.png%22/{handle}")).await.expect(200).json();
    assert_eq!(exact["key"], "in/exact.png");
    let text = store(&server, &app, "filename=a.b64&mimetype=text/plain", "aGVsbG8gd29ybGQ=").await;
    let decoded = get(&server, &format!("/{key}/store=base64decode:true,filename:a.txt/{}", text_of(&text, "handle")))
        .await
        .expect(200)
        .json();
    assert_eq!(decoded["size"], 11);
    let refused = get(&server, &format!("/{key}/store=location:azure/{handle}")).await.expect(400).json();
    assert_eq!(refused["code"], "location_not_configured");
    get(&server, &format!("/{key}/store/AAAAAAAAAAAAAAAAAAAA")).await.expect(404);
}

/// An external URL is stored, as each library of spec 01 §6 asks for it.
#[tokio::test]
async fn store_tasks_on_a_url() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"from afar")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &["--security"]);
    let url = origin.url("/pics/a%20b.gif");
    let key = &app.key;
    let signed_pair = policy::sign(&AppSecret::new(app.secret.clone()), &allowing(&["store"]));
    let (policy, signature) = (&signed_pair.policy, &signed_pair.signature);
    let slashes = url.replace('/', "%2F");
    let base64 = URL_SAFE.encode(&url);
    let tasks = URL_SAFE.encode(r#"[{"name":"store","params":{"filename":"n.gif"}}]"#);
    let security = format!("security=policy:{policy},signature:{signature}");
    for (case, request, body, name) in [
        (
            "Ruby",
            format!(
                "POST /{key}/store=filename:n.gif,path:\"/a/\",workflows:[\"w1\",\"w2\"]/security=s:{signature},p:{policy}/{url}"
            ),
            "",
            "n.gif",
        ),
        (
            "Ruby, encoded",
            format!(
                "POST /{key}/store=filename:n.gif,path:%22/a%20b/%22,workflows:[%22w1%22]/security=s:{signature},p:{policy}/{url}"
            ),
            "",
            "n.gif",
        ),
        ("Go", format!("GET /{key}/security=p:{policy},s:{signature}/store=filename:n.gif/{url}"), "null\n", "n.gif"),
        ("Java", format!("POST /{key}/{security}%2Fstore=filename:n.gif/{slashes}"), "", "n.gif"),
        (
            "Swift",
            format!("GET /{key}/store=location:s3,path:my/dir/,filename:n.gif/{security}/{}", encoded(&url)),
            "",
            "n.gif",
        ),
        ("PHP", format!("GET /{key}/{security}/store/{url}"), "", "a b.gif"),
        ("PHP with options", format!("GET /{key}/{security}/store=filename:n.gif,location:s3/{url}"), "", "n.gif"),
        ("old JavaScript", format!("GET /{key}/{security}/store=filename:n.gif/\"{url}\""), "", "n.gif"),
        ("old JavaScript, encoded", format!("GET /{key}/{security}/store/%22{}%22", encoded(&url)), "", "a b.gif"),
        ("old JavaScript, base64", format!("GET /{key}/{security}/b64/{tasks}/b64://{base64}"), "", "n.gif"),
        ("a collapsed slash", format!("GET /{key}/{security}/store/{}", url.replacen("//", "/", 1)), "", "a b.gif"),
        (
            "a policy in the query",
            format!("GET /{key}/store/{slashes}?policy={policy}&signature={signature}"),
            "",
            "a b.gif",
        ),
    ] {
        let answer =
            raw_request(&server, &format!("{request} HTTP/1.1\nContent-Type: application/json"), body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        let stored = answer.json();
        assert_stored(case, &server, &stored);
        assert_eq!(
            (&stored["filename"], &stored["type"], &stored["size"]),
            (&json!(name), &json!("text/plain"), &json!(9)),
            "{case}"
        );
        let asked = origin.received().pop().expect("a request");
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/pics/a%20b.gif"), "{case}");
        assert!(!asked.head.contains(signature) && !asked.head.contains(policy), "{case}: credentials stay here");
    }
    let before = (files_stored(&server).await, origin.received().len());
    for request in [
        format!("GET /{key}/store/{url}"),
        format!("POST /store/{url}"),
        format!("GET /{key}/security=p:{policy},s:{}/store/{url}", "0".repeat(64)),
    ] {
        let answer = raw_request(&server, &format!("{request} HTTP/1.1"), b"").await;
        assert!(matches!(answer.status, 400 | 403), "{request}: {}", answer.text());
    }
    assert_eq!((files_stored(&server).await, origin.received().len()), before, "nothing was fetched or stored");
}

/// The query behind a bare URL is its own, but for the credentials of this server (spec 02 §3.4).
#[tokio::test]
async fn an_external_url_keeps_its_query() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"x")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &["--security"]);
    let policy = signed(&app, &allowing(&["store"]));
    let (key, url) = (&app.key, origin.url("/a.txt?x=1&y=%20"));
    post(&server, &format!("/{key}/store/{url}&{policy}"), "").await.expect(200);
    let segment = security_segment(&app, &allowing(&["store"]));
    post(&server, &format!("/{key}/store/{segment}/{url}"), "").await.expect(200);
    post(&server, &format!("/{key}/store/{}?{policy}", encoded(&url)), "").await.expect(200);
    let targets: Vec<String> = origin.received().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/a.txt?x=1&y=%20"; 3]);
}
