//! An app whose files are in a bucket: a real S3 server in this process.

use std::path::PathBuf;

use serde_json::{Value, json};
use stowage_testkit::S3Server;

use crate::{
    hostile::{eventually, files_below, files_stored, objects},
    support::{App, HttpAnswer, Stowage, client, get, post, raw_request, send, server, store, text_of},
};

/// An app that stores into `bucket`, and may store into `second`.
fn bucket_app(server: &Stowage, s3: &S3Server, name: &str, secret: &str) -> App {
    let app = server.app(name, &[]);
    std::fs::create_dir_all(s3.root().join("second")).expect("a second bucket");
    let endpoint = s3.endpoint();
    let settings = [
        "bucket=bucket".to_owned(),
        "allowed_buckets=second,missing".to_owned(),
        format!("endpoint={endpoint}"),
        "region=us-east-1".to_owned(),
        format!("access_key_id={}", s3.access_key_id()),
        format!("secret_access_key={secret}"),
    ];
    let mut arguments = vec!["store", "add", name, "S3", "--provider", "s3"];
    arguments.extend(settings.iter().map(String::as_str));
    server.run(&arguments);
    app
}

/// Where the object of an answer is on the S3 server's disk.
fn object_file(s3: &S3Server, stored: &Value) -> PathBuf {
    s3.root().join(text_of(stored, "container")).join(text_of(stored, "key"))
}

/// Objects in the buckets; what the S3 server notes beside them does not count.
fn bucket_objects(s3: &S3Server) -> usize {
    ["bucket", "second"].iter().map(|bucket| files_below(&s3.root().join(bucket)).len()).sum()
}

async fn read(server: &Stowage, stored: &Value) -> HttpAnswer {
    get(server, &format!("/{}", text_of(stored, "handle"))).await
}

#[tokio::test]
async fn small_files_go_to_the_bucket_and_come_back() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, "shop", s3.secret_access_key());
    let local = server.app("local", &[]);
    for (query, name) in [
        ("filename=hello.txt", "hello.txt"),
        ("filename=n%C3%A4me%20%26%20%2B.txt&path=/docs/a%20b/", "näme & +.txt"),
        ("path=exact/key.txt&filename=hello.txt", "hello.txt"),
    ] {
        let stored = store(&server, &app, query, "hello world").await;
        assert_eq!((&stored["container"], &stored["filename"]), (&json!("bucket"), &json!(name)));
        let object = std::fs::read(object_file(&s3, &stored)).expect("the object is called like `key`");
        assert_eq!(object, b"hello world");
        let answer = read(&server, &stored).await.expect(200);
        assert_eq!((answer.text(), answer.header("content-type")), ("hello world", "text/plain"));
        let metadata = get(
            &server,
            &format!(
                "/{}/metadata?location=true&container=true&key=true&path=true&md5=true",
                text_of(&stored, "handle")
            ),
        )
        .await
        .json();
        let expected = json!({
            "location": "S3", "container": "bucket", "key": stored["key"], "path": stored["key"], "md5": "5eb63bbbe01eeed093cb22bb8f5acdc3",
        });
        assert_eq!(metadata, expected);
    }
    assert_eq!((bucket_objects(&s3), objects(server.data()).len()), (3, 0), "nothing of it is kept here");
    let stored = store(&server, &local, "filename=hello.txt", "hello world").await;
    assert_eq!(stored["container"], "stowage");
    assert_eq!((bucket_objects(&s3), objects(server.data()).len()), (3, 1), "another app keeps its disk");
}

#[tokio::test]
async fn large_files_and_their_ranges() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, "shop", s3.secret_access_key());
    let content: Vec<u8> = (0..5 * 1024 * 1024u32).flat_map(u32::to_le_bytes).collect();
    let size = content.len();
    let announced = store(&server, &app, "filename=a.bin", content.clone()).await;
    let chunks: Vec<_> = content.chunks(1 << 20).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect();
    let streamed =
        store(&server, &app, "filename=b.bin", reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))).await;
    for stored in [announced, streamed] {
        assert_eq!(stored["size"], size);
        assert!(std::fs::read(object_file(&s3, &stored)).expect("the object") == content);
        let whole = read(&server, &stored).await.expect(200);
        assert!(whole.body == content && whole.header("content-length") == size.to_string());
        let path = format!("/{}", text_of(&stored, "handle"));
        for (range, first, last) in
            [("bytes=0-0", 0, 0), ("bytes=5000000-15000000", 5_000_000, 15_000_000), ("bytes=-7", size - 7, size - 1)]
        {
            let request = client().get(format!("{}{path}", server.url())).header("Range", range);
            let part = send(request).await.expect(206);
            assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/{size}"));
            assert!(part.body == content[first..=last], "{range}");
        }
        let several =
            send(client().get(format!("{}{path}", server.url())).header("Range", "bytes=0-9,9000000-9000009"))
                .await
                .expect(206);
        assert_eq!(several.header("content-length"), several.body.len().to_string());
        assert!(several.body.windows(10).any(|bytes| bytes == &content[9_000_000..9_000_010]));
        let head = raw_request(&server, &format!("HEAD {path} HTTP/1.1"), b"").await.expect(200);
        assert_eq!(head.header("content-length"), size.to_string());
    }
}

#[tokio::test]
async fn overwrite_and_delete_reach_the_bucket() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, "shop", s3.secret_access_key());
    let stored = store(&server, &app, "filename=a.txt&path=docs/", "the original").await;
    let handle = text_of(&stored, "handle");
    let file = object_file(&s3, &stored);
    let url = format!("{}/api/file/{handle}", server.url());
    let owner = |request: reqwest::RequestBuilder| request.basic_auth("app", Some(&app.secret));
    let first = read(&server, &stored).await;
    let answer = send(owner(client().post(&url)).body("the replacement")).await.expect(200).json();
    assert_eq!((&answer["key"], &answer["filename"], &answer["size"]), (&stored["key"], &json!("a.txt"), &json!(15)));
    assert_eq!(std::fs::read(&file).expect("the object"), b"the replacement");
    let second = read(&server, &stored).await;
    assert_eq!(second.text(), "the replacement");
    assert_ne!(second.header("etag"), first.header("etag"));
    assert_eq!(bucket_objects(&s3), 1, "the object of the same key is replaced");
    send(owner(client().delete(&url))).await.expect(200);
    read(&server, &stored).await.expect(404);
    eventually("the object is removed from the bucket", async || !file.exists()).await;

    let kept = store(&server, &app, "filename=b.txt", "kept").await;
    let gone = store(&server, &app, "filename=c.txt", "gone").await;
    let delete = |stored: &Value, query: &str| {
        owner(client().delete(format!("{}/api/file/{}{query}", server.url(), text_of(stored, "handle"))))
    };
    send(delete(&kept, "?skip_storage=true")).await.expect(200);
    send(delete(&gone, "")).await.expect(200);
    eventually("the other object is removed", async || !object_file(&s3, &gone).exists()).await;
    read(&server, &kept).await.expect(404);
    assert_eq!(std::fs::read(object_file(&s3, &kept)).expect("the object stays"), b"kept");
}

#[tokio::test]
async fn an_exact_key_is_one_object() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, "shop", s3.secret_access_key());
    let first = store(&server, &app, "path=docs/a.txt", "first").await;
    let second = store(&server, &app, "path=docs/a.txt", "the second").await;
    assert_ne!(first["handle"], second["handle"]);
    assert_eq!((read(&server, &first).await.text(), read(&server, &second).await.text()), ("the second", "the second"));
    let delete = client()
        .delete(format!("{}/api/file/{}", server.url(), text_of(&first, "handle")))
        .basic_auth("app", Some(&app.secret));
    send(delete).await.expect(200);
    let probe = store(&server, &app, "filename=probe", "x").await;
    let delete = client()
        .delete(format!("{}/api/file/{}", server.url(), text_of(&probe, "handle")))
        .basic_auth("app", Some(&app.secret));
    send(delete).await.expect(200);
    eventually("garbage is collected", async || !object_file(&s3, &probe).exists()).await;
    assert_eq!(
        read(&server, &second).await.expect(200).text(),
        "the second",
        "an object that another handle names stays"
    );
}

#[tokio::test]
async fn containers_are_those_that_the_operator_allows() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, "shop", s3.secret_access_key());
    std::fs::create_dir(s3.root().join("foreign")).expect("a bucket that is not ours");
    let stored = store(&server, &app, "container=second&path=a.txt", "hello").await;
    assert_eq!(stored["container"], "second");
    assert_eq!(std::fs::read(s3.root().join("second/a.txt")).expect("the object"), b"hello");
    assert_eq!(read(&server, &stored).await.text(), "hello");
    for (container, code) in
        [("foreign", "invalid_parameter"), ("..", "invalid_parameter"), ("missing", "container_missing")]
    {
        let answer =
            post(&server, &format!("/api/store/S3?key={}&container={container}", app.key), "x").await.expect(400);
        assert_eq!(answer.header("x-stowage-error"), code, "{container}: {}", answer.text());
        assert!(answer.text().contains("container"), "{}", answer.text());
    }
    assert_eq!((files_stored(&server).await, bucket_objects(&s3)), (1, 1));
    assert!(files_below(&s3.root().join("foreign")).is_empty());
}

#[tokio::test]
async fn a_provider_that_refuses_or_is_gone_leaves_no_row() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let denied = bucket_app(&server, &s3, "denied", "not the secret");
    let small = post(&server, &format!("/api/store/S3?key={}&filename=a.txt", denied.key), "x").await.expect(502);
    assert_eq!(small.header("x-stowage-error"), "store_denied");
    assert!(small.text().contains("stowage doctor") && !small.text().contains(s3.access_key_id()), "{}", small.text());
    let large = post(&server, &format!("/api/store/S3?key={}", denied.key), vec![0; 20 << 20]).await.expect(502);
    assert_eq!(large.header("x-stowage-error"), "store_denied");
    assert_eq!((files_stored(&server).await, bucket_objects(&s3), objects(server.data()).len()), (0, 0, 0));

    let app = bucket_app(&server, &s3, "shop", s3.secret_access_key());
    let stored = store(&server, &app, "filename=a.bin", vec![7; 100_000]).await;
    drop(s3);
    let gone = read(&server, &stored).await;
    assert!(matches!(gone.status, 502 | 503), "{gone:?}");
    let refused = post(&server, &format!("/api/store/S3?key={}", app.key), "x").await;
    assert!(matches!(refused.status, 502 | 503), "{refused:?}");
    assert_eq!(files_stored(&server).await, 1);
    get(&server, "/readyz").await.expect(200);
}
