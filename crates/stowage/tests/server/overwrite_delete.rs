//! `POST|PUT /api/file/{handle}` (spec 02 §5) and `DELETE /api/file/{handle}` (spec 02 §6).

use reqwest::Method;
use serde_json::{Value, json};
use stowage_testkit::{Origin, Reply};

use crate::{
    hostile::{encoded, eventually, files_stored, objects},
    support::{
        HttpAnswer, Stowage, allowing, bytes_below, client, get, multipart, raw_request, send, server, server_with,
        signed, store, text_of,
    },
};

const ORIGINAL: &str = "filename=report.txt&mimetype=text/x-report&path=docs/";

async fn read(server: &Stowage, stored: &Value) -> HttpAnswer {
    get(server, &format!("/{}", text_of(stored, "handle"))).await
}

/// Name of the case, method, query, request type, body, new content.
type BodyCase<'a> = (&'a str, Method, String, Option<&'a str>, Vec<u8>, &'a str);

/// Each library's body (spec 02 §5) replaces the content and nothing else.
#[tokio::test]
async fn every_body_form_replaces_the_content_only() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("image/png", b"from afar")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let path = format!("/api/file/{}", text_of(&stored, "handle"));
    let write = signed(&app, &allowing(&["write"]));
    let write_url = signed(&app, &allowing(&["writeUrl"]));
    let remote = origin.url("/other.png");
    let (python_type, python) =
        multipart(&[(r#"name="fileUpload"; filename="filename""#, Some("application/octet-stream"), b"Python")]);
    let (field_type, field) = multipart(&[(r#"name="url""#, None, remote.as_bytes())]);
    let form = "application/x-www-form-urlencoded";
    let afar = "from afar";
    let cases: Vec<BodyCase<'_>> = vec![
        ("Python", Method::POST, format!("base64decode=false&{write}"), Some(&python_type), python, "Python"),
        (
            "Python by URL",
            Method::POST,
            format!("base64decode=false&{write_url}"),
            Some(form),
            format!("url={}", encoded(&remote)).into(),
            afar,
        ),
        ("Go", Method::POST, format!("base64decode=false&{write}"), None, b"Go".to_vec(), "Go"),
        ("Go, encoded", Method::POST, format!("base64decode=true&{write}"), None, b"R28=".to_vec(), "Go"),
        ("PHP", Method::POST, format!("key={}&{write}", app.key), None, b"PHP".to_vec(), "PHP"),
        (
            "PHP by URL",
            Method::POST,
            format!("key={}&{write_url}", app.key),
            Some(form),
            format!("url={remote}").into(),
            afar,
        ),
        ("Java", Method::POST, write.clone(), Some("image/jpeg"), b"Java".to_vec(), "Java"),
        ("Swift", Method::POST, write.clone(), Some("text/plain"), b"Swift".to_vec(), "Swift"),
        ("Swift by URL", Method::POST, format!("url={}&{write_url}", encoded(&remote)), None, Vec::new(), afar),
        (
            "old JavaScript",
            Method::POST,
            format!("plugin=js_lib&nonce=7&{write}"),
            Some("text/plain; charset=utf-8"),
            b"old".to_vec(),
            "old",
        ),
        ("a form with a URL field", Method::POST, write_url.clone(), Some(&field_type), field, afar),
        (
            "JSON",
            Method::POST,
            write_url.clone(),
            Some("application/json"),
            json!({ "url": remote }).to_string().into(),
            afar,
        ),
        ("PUT", Method::PUT, write.clone(), None, b"put".to_vec(), "put"),
        ("PUT by URL", Method::PUT, write_url.clone(), Some(form), format!("url={remote}").into(), afar),
        ("with an extension", Method::POST, write.clone(), None, b"bare".to_vec(), "bare"),
    ];
    for (case, method, query, content_type, body, content) in cases {
        let path = if case == "with an extension" { format!("{path}+txt") } else { path.clone() };
        let mut request = client().request(method, format!("{}{path}?{query}", server.url())).body(body);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let answer = send(request).await;
        assert_eq!(answer.status, 200, "{case}: {}", answer.text());
        let expected = json!({
            "url": stored["url"], "handle": stored["handle"], "filename": "report.txt", "mimetype": "text/x-report",
            "type": "text/x-report", "size": content.len(), "isWriteable": true, "key": stored["key"], "container": "stowage",
        });
        assert_eq!(answer.json(), expected, "{case}");
        let now = read(&server, &stored).await;
        assert_eq!(now.text(), content, "{case}");
        assert_eq!((now.header("content-type"), now.header("x-file-name")), ("text/x-report", "report.txt"), "{case}");
    }
    eventually("the replaced contents are removed", async || objects(server.data()).len() == 1).await;
}

/// Go streams without a length.
#[tokio::test]
async fn a_chunked_body_replaces_the_content() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let content = vec![7u8; 3_000_000];
    let chunks: Vec<_> = content.chunks(100_000).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let policy = signed(&app, &allowing(&["write"]));
    let url = format!("{}/api/file/{}?{policy}", server.url(), text_of(&stored, "handle"));
    assert_eq!(send(client().post(url).body(body)).await.expect(200).json()["size"], 3_000_000);
    assert!(read(&server, &stored).await.body == content);
}

#[tokio::test]
async fn only_mimetype_changes_the_type() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("image/png", b"x")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let policy = signed(&app, &allowing(&["write", "writeUrl"]));
    let json = json!({ "url": origin.url("/a.png"), "mimetype": "image/jpeg" }).to_string();
    let (form_type, form) =
        multipart(&[(r#"name="mimetype""#, None, b"image/jpeg"), (r#"name="fileUpload"; filename="a""#, None, b"x")]);
    for (query, content_type, body) in [
        ("mimetype=image/jpeg&filename=other.txt&path=other/", "text/plain", b"x".to_vec()),
        ("", form_type.as_str(), form),
        ("", "application/json", json.into_bytes()),
    ] {
        let stored = store(&server, &app, ORIGINAL, "the original").await;
        let url = format!("{}/api/file/{}?{query}&{policy}", server.url(), text_of(&stored, "handle"));
        let answer = send(client().post(url).header("Content-Type", content_type).body(body)).await.expect(200).json();
        assert_eq!(
            (&answer["mimetype"], &answer["filename"], &answer["key"]),
            (&json!("image/jpeg"), &json!("report.txt"), &stored["key"])
        );
        assert_eq!(read(&server, &stored).await.header("content-type"), "image/jpeg");
        let metadata =
            get(&server, &format!("/{}/metadata?mimetype=true&size=true", text_of(&stored, "handle"))).await.json();
        assert_eq!(metadata, json!({ "mimetype": "image/jpeg", "size": 1 }));
    }
}

/// Overwriting and deleting need authority even where storing and reading need none (spec 04 §1).
#[tokio::test]
async fn changes_always_need_authority() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let handle = text_of(&stored, "handle");
    let path = format!("/api/file/{handle}");
    let requests = async |query: &str, password: Option<&str>| {
        let mut statuses = Vec::new();
        for (method, path) in [
            (Method::POST, path.clone()),
            (Method::PUT, path.clone()),
            (Method::POST, format!("{path}/remove")),
            (Method::DELETE, path.clone()),
        ] {
            let mut request = client().request(method, format!("{}{path}?{query}", server.url())).body("x");
            if let Some(password) = password {
                request = request.basic_auth("app", Some(password));
            }
            statuses.push(send(request).await.status);
        }
        statuses
    };
    let key = format!("key={}", app.key);
    assert_eq!(requests(&key, None).await, [403; 4], "a key is public");
    assert_eq!(requests(&key, Some("wrong")).await, [403; 4]);
    assert_eq!(requests("policy=&signature=", None).await, [403; 4]);
    assert_eq!(
        requests(&signed(&app, &allowing(&["read", "stat", "store", "convert", "pick", "exif"])), None).await,
        [403; 4]
    );
    assert_eq!(requests(&signed(&app, r#"{"expiry":1500000000}"#), None).await, [403; 4]);
    let bound = |handle: &str| signed(&app, &json!({ "expiry": 4_102_444_800_u64, "handle": handle }).to_string());
    assert_eq!(requests(&bound("AAAAAAAAAAAAAAAAAAAA"), None).await, [403; 4]);
    assert_eq!(read(&server, &stored).await.text(), "the original");
    assert_eq!(requests(&bound(handle), None).await, [200, 200, 200, 404], "removed by the third");
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let basic = |method, path: &str| {
        client().request(method, format!("{}{path}", server.url())).basic_auth("app", Some(&app.secret))
    };
    let path = format!("/api/file/{}", text_of(&stored, "handle"));
    send(basic(Method::POST, &path).body("by password")).await.expect(200);
    assert_eq!(read(&server, &stored).await.text(), "by password");
    send(basic(Method::DELETE, &path)).await.expect(200);
}

#[tokio::test]
async fn write_and_write_url_are_two_calls() {
    let origin = Origin::start("127.0.0.2", |_| Reply::ok("text/plain", b"far")).await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let url = origin.url("/a");
    let overwrite = async |policy: &str, by_url: bool| {
        let target = format!("{}/api/file/{}?{}", server.url(), text_of(&stored, "handle"), signed(&app, policy));
        let request = client().post(target);
        let request = match by_url {
            true => request.header("Content-Type", "application/x-www-form-urlencoded").body(format!("url={url}")),
            false => request.body("near"),
        };
        send(request).await.status
    };
    assert_eq!(overwrite(&allowing(&["write"]), true).await, 403);
    assert_eq!(overwrite(&allowing(&["writeUrl"]), false).await, 403);
    assert_eq!((read(&server, &stored).await.text(), origin.received().len()), ("the original", 0));
    assert_eq!(overwrite(&allowing(&["write_url"]), true).await, 200, "Swift's spelling");
    assert_eq!(read(&server, &stored).await.text(), "far");
    assert_eq!(overwrite(&allowing(&["write"]), false).await, 200);
    assert_eq!(read(&server, &stored).await.text(), "near");
}

#[tokio::test]
async fn a_failed_overwrite_leaves_the_content() {
    let origin = Origin::start("127.0.0.2", |request| match request.target.as_str() {
        "/short" => Reply::from("HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\ntoo short"),
        _ => Reply::status("404 Not Found"),
    })
    .await;
    let server = server_with(&[("STOWAGE_FETCH_ALLOW", "127.0.0.2/32")]);
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let path = format!("/api/file/{}", text_of(&stored, "handle"));
    let tag = read(&server, &stored).await.header("etag").to_owned();
    let policy = signed(&app, r#"{"expiry":4102444800,"maxSize":20,"minSize":2}"#);
    for (query, body, status) in [
        ("", String::new(), 400),
        ("base64decode=true", "not base64!".to_owned(), 400),
        ("mimetype=text", "x1".to_owned(), 400),
        (&format!("url={}", origin.url("/missing")), String::new(), 400),
        (&format!("url={}", origin.url("/short")), String::new(), 400),
        ("", "more than twenty bytes".to_owned(), 403),
        ("", "1".to_owned(), 403),
    ] {
        let request = client().post(format!("{}{path}?{query}&{policy}", server.url())).body(body);
        send(request).await.expect(status);
        let now = read(&server, &stored).await;
        assert_eq!((now.text(), now.header("etag")), ("the original", tag.as_str()));
    }
    let put = client().put(format!("{}{path}?{policy}", server.url()));
    send(put).await.expect(400);
    assert_eq!((objects(server.data()).len(), files_stored(&server).await), (1, 1));
}

#[tokio::test]
async fn a_deleted_file_is_gone_everywhere_and_its_bytes_with_it() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let kept = store(&server, &app, ORIGINAL, "another one").await;
    let handle = text_of(&stored, "handle");
    read(&server, &stored).await.expect(200);
    let policy = signed(&app, &allowing(&["remove"]));
    let path = format!("/api/file/{handle}");
    let request = client().delete(format!("{}{path}?key={}&{policy}", server.url(), app.key));
    let answer = send(request).await.expect(200);
    assert_eq!((answer.text(), answer.header("content-type")), ("success", "text/html; charset=utf-8"));
    let everything = signed(&app, r#"{"expiry":4102444800}"#);
    for path in [
        path.clone(),
        format!("{path}+txt"),
        format!("{path}/report.txt"),
        format!("{path}/metadata"),
        format!("/{handle}"),
        format!("/{}/{handle}", app.key),
        format!("/{handle}/metadata"),
        format!("/file/{handle}/metadata"),
        format!("/metadata/{handle}"),
        format!("/store/{handle}"),
        format!("/cache=expiry:max/{handle}"),
    ] {
        get(&server, &format!("{path}?{everything}")).await.expect(404);
    }
    for (method, path) in [
        (Method::POST, path.clone()),
        (Method::PUT, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/remove")),
    ] {
        let request = client().request(method, format!("{}{path}?{everything}", server.url())).body("x");
        send(request).await.expect(404);
    }
    let left = async || bytes_below(&server.data().join("objects"));
    eventually("the bytes are removed", async || left().await == "another one".len() as u64).await;
    assert_eq!(read(&server, &kept).await.text(), "another one");
}

/// The spellings of spec 02 §6, each on a file of its own.
#[tokio::test]
async fn every_client_can_delete() {
    let server = server();
    let app = server.app("shop", &[]);
    let policy = signed(&app, &allowing(&["remove"]));
    let old = signed(&app, &allowing(&["revoke"]));
    let pairs = policy.clone();
    for (case, head, body, answer) in [
        (
            "JavaScript",
            format!("DELETE /api/file/H?key={}&{policy}&skip_storage=false HTTP/1.1", app.key),
            "",
            "success",
        ),
        (
            "Go",
            format!("DELETE /api/file/H?{policy}&key={} HTTP/1.1\nContent-Type: application/json", app.key),
            "null\n",
            "success",
        ),
        ("the old name of the call", format!("DELETE /api/file/H?{old} HTTP/1.1"), "", "success"),
        ("with an extension", format!("DELETE /api/file/H+txt?{policy} HTTP/1.1"), "", "success"),
        (
            "filepicker",
            format!("POST /api/file/H/remove?{policy} HTTP/1.1\nContent-Type: application/x-www-form-urlencoded"),
            "key=K",
            "Success",
        ),
        (
            "filepicker, all in the form",
            "POST /api/file/H/remove HTTP/1.1\nContent-Type: application/x-www-form-urlencoded".to_owned(),
            &pairs,
            "Success",
        ),
    ] {
        let stored = store(&server, &app, ORIGINAL, "x").await;
        let head = head.replace("/H", &format!("/{}", text_of(&stored, "handle")));
        let deleted = raw_request(&server, &head, body.as_bytes()).await;
        assert_eq!((deleted.status, deleted.text()), (200, answer), "{case}");
        read(&server, &stored).await.expect(404);
    }
    eventually("all bytes are removed", async || objects(server.data()).is_empty()).await;
}

#[tokio::test]
async fn skip_storage_leaves_the_object() {
    let mut server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let removed = store(&server, &app, ORIGINAL, "another one").await;
    let policy = signed(&app, &allowing(&["remove"]));
    let delete = async |stored: &Value, flag: &str| {
        let url = format!("{}/api/file/{}?{policy}{flag}", server.url(), text_of(stored, "handle"));
        assert_eq!(send(client().delete(url)).await.expect(200).text(), "success");
        read(&server, stored).await.expect(404);
    };
    delete(&stored, "&skip_storage=true").await;
    delete(&removed, "&skip_storage=false").await;
    let left = |server: &Stowage| bytes_below(&server.data().join("objects"));
    eventually("the other object is removed", async || left(&server) == "the original".len() as u64).await;
    // What a crash leaves beside it is swept at the next start; this is not.
    let kept = objects(server.data()).pop_first().expect("the kept object");
    let orphan = kept.with_file_name(format!("0-{}", "z".repeat(24)));
    std::fs::copy(&kept, &orphan).expect("the orphan can be written");
    server.kill_and_restart();
    eventually("the orphan is swept", async || !orphan.exists()).await;
    read(&server, &stored).await.expect(404);
    assert_eq!(left(&server), "the original".len() as u64);
}

#[tokio::test]
async fn delivery_hosts_take_no_changes() {
    let server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, ORIGINAL, "the original").await;
    let handle = text_of(&stored, "handle");
    let policy = signed(&app, r#"{"expiry":4102444800}"#);
    for path in [format!("/{handle}"), format!("/api/file/{handle}")] {
        for method in ["DELETE", "PUT", "PATCH"] {
            let head = format!("{method} {path}?{policy} HTTP/1.1\nHost: cdn.files.example");
            let answer = raw_request(&server, &head, b"x").await.expect(405);
            assert_eq!(answer.header("allow"), "GET, HEAD, POST", "{method} {path}");
        }
    }
    raw_request(&server, &format!("DELETE /{handle}?{policy} HTTP/1.1"), b"").await.expect(405);
    assert_eq!(read(&server, &stored).await.text(), "the original");
}

/// Readers see the old content or the new one, whole (ARCHITECTURE.md).
#[tokio::test]
async fn readers_never_see_a_mixture() {
    let server = server();
    let app = server.app("shop", &[]);
    let content = |letter: u8| vec![letter; 400_000];
    let stored = store(&server, &app, ORIGINAL, content(b'a')).await;
    let url = format!("{}/{}", server.url(), text_of(&stored, "handle"));
    let target = format!("{}/api/file/{}", server.url(), text_of(&stored, "handle"));
    let writer = {
        let (client, secret) = (client(), app.secret.clone());
        let overwrite = async move {
            for letter in b'b'..=b'k' {
                send(client.post(&target).basic_auth("app", Some(&secret)).body(content(letter))).await.expect(200);
            }
        };
        tokio::spawn(overwrite)
    };
    let reader = client();
    let mut versions = std::collections::BTreeSet::new();
    while !writer.is_finished() {
        let answer = send(reader.get(&url)).await;
        // The object may go away between the look at the row and the look at the bytes.
        if answer.status == 503 {
            continue;
        }
        let letter = answer.expect(200).body;
        assert!(letter.len() == 400_000 && letter.iter().all(|byte| *byte == letter[0]), "a mixture");
        versions.insert(letter[0]);
    }
    writer.await.expect("all overwrites succeed");
    assert!(versions.len() > 1, "reading went on beside writing: {versions:?}");
    assert_eq!(send(reader.get(&url)).await.body, vec![b'k'; 400_000]);
}
