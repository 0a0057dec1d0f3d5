//! `region` per request: the S3 server here takes for each bucket only requests that are signed for the bucket's region.

use serde_json::{Value, json};
use stowage_testkit::S3Server;

use crate::{
    hostile::{eventually, files_below, files_stored, objects},
    migrate::{catalogue, let_garbage_become_due, migrated},
    support::{App, HttpAnswer, Stowage, client, get, post, send, server, store, text_of},
};

/// `bucket` is in us-east-1, as the store's settings say; `abroad` is in eu-west-1.
async fn two_regions() -> S3Server {
    let s3 = S3Server::start("bucket").await;
    s3.create_bucket_in("bucket", "us-east-1");
    s3.create_bucket_in("abroad", "eu-west-1");
    s3
}

fn shop(server: &Stowage, s3: &S3Server) -> App {
    let app = server.app("shop", &[]);
    let settings = [
        "bucket=bucket".to_owned(),
        "allowed_buckets=abroad".to_owned(),
        format!("endpoint={}", s3.endpoint()),
        "region=us-east-1".to_owned(),
        format!("access_key_id={}", s3.access_key_id()),
        format!("secret_access_key={}", s3.secret_access_key()),
    ];
    let mut arguments = vec!["store", "add", "shop", "S3", "--provider", "s3"];
    arguments.extend(settings.iter().map(String::as_str));
    server.run(&arguments);
    app
}

async fn read(server: &Stowage, stored: &Value) -> HttpAnswer {
    get(server, &format!("/{}", text_of(stored, "handle"))).await
}

fn rows(server: &Stowage, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    catalogue(server).query_row(&sql, [], |row| row.get(0)).expect("a number")
}

#[tokio::test]
async fn files_live_in_the_region_that_their_request_named() {
    let s3 = two_regions().await;
    let server = server();
    let app = shop(&server, &s3);
    let url = |stored: &Value| format!("{}/api/file/{}", server.url(), text_of(stored, "handle"));
    let owner = |request: reqwest::RequestBuilder| request.basic_auth("app", Some(&app.secret));
    let home = store(&server, &app, "filename=a.txt", "at home").await;
    let small = store(&server, &app, "container=abroad&region=eu-west-1&path=a.txt", "far away").await;
    let content = vec![7; 20 << 20];
    let large = store(&server, &app, "container=abroad&region=eu-west-1&filename=b.bin", content.clone()).await;
    assert_eq!((&home["container"], &small["container"]), (&json!("bucket"), &json!("abroad")));
    assert_eq!(std::fs::read(s3.root().join("abroad/a.txt")).expect("the object"), b"far away");
    assert_eq!(read(&server, &small).await.expect(200).text(), "far away");
    assert!(read(&server, &large).await.expect(200).body == content);
    let part = send(client().get(url(&large)).header("Range", "bytes=5-9")).await.expect(206);
    assert_eq!(part.body, [7; 5]);

    send(owner(client().post(url(&small))).body("replaced there")).await.expect(200);
    assert_eq!(std::fs::read(s3.root().join("abroad/a.txt")).expect("the object"), b"replaced there");
    let copy = format!("/api/store/S3/{}?key={}&path=copy.txt", text_of(&small, "handle"), app.key);
    let copy = post(&server, &copy, "").await.expect(200).json();
    assert_eq!(read(&server, &copy).await.expect(200).text(), "replaced there");
    assert!(s3.root().join("bucket/copy.txt").exists());

    for stored in [&small, &large] {
        send(owner(client().delete(url(stored)))).await.expect(200);
        read(&server, stored).await.expect(404);
    }
    eventually("the objects abroad are removed", async || files_below(&s3.root().join("abroad")).is_empty()).await;
    eventually("and no trace of them is left", async || rows(&server, "garbage") + rows(&server, "intents") == 0).await;
    assert_eq!(read(&server, &home).await.expect(200).text(), "at home");
}

#[tokio::test]
async fn a_wrong_region_is_refused_and_nothing_is_registered() {
    let s3 = two_regions().await;
    let server = server();
    let app = shop(&server, &s3);
    let azure = ["account=account", "account_key=a2V5", "container=bucket", "endpoint=http://127.0.0.1:9/account"];
    server.run(&[&["store", "add", "shop", "azure", "--provider", "azure"], &azure[..]].concat());
    let large = vec![7; 20 << 20];
    for (location, query, content) in [
        ("S3", "container=abroad", b"x".to_vec()),
        ("S3", "container=abroad&filename=a.bin", large.clone()),
        ("S3", "region=eu-west-1", b"x".to_vec()),
        ("S3", "region=eu-west-1&path=exact.txt", large),
        ("S3", "container=abroad&region=us-east-1", b"x".to_vec()),
        ("S3", "container=abroad&region=nowhere", b"x".to_vec()),
        ("S3", "region=evil.example", b"x".to_vec()),
        ("azure", "region=eu-west-1", b"x".to_vec()),
    ] {
        let path = format!("/api/store/{location}?key={}&{query}", app.key);
        let refused = post(&server, &path, content).await;
        assert_eq!(
            (refused.status, refused.header("x-stowage-error")),
            (400, "invalid_parameter"),
            "{location} {query}"
        );
        assert!(refused.text().contains("`region`"), "{query}: {}", refused.text());
    }
    let found = ["bucket", "abroad"].map(|bucket| files_below(&s3.root().join(bucket)).len());
    assert_eq!((files_stored(&server).await, rows(&server, "files"), found), (0, 0, [0, 0]));
    assert!(objects(server.data()).is_empty());
    eventually("what was begun is forgotten", async || rows(&server, "garbage") + rows(&server, "intents") == 0).await;

    // The built-in store is where the server is, whatever region an uploader thinks of.
    let local = format!("/api/store/local?key={}&region=eu-west-1", app.key);
    let stored = post(&server, &local, "here").await.expect(200).json();
    assert_eq!(read(&server, &stored).await.expect(200).text(), "here");
    store(&server, &app, "filename=a.txt", "the store still works").await;
}

#[tokio::test]
async fn files_are_migrated_out_of_their_region() {
    let s3 = two_regions().await;
    let server = server();
    let app = shop(&server, &s3);
    let stored = store(&server, &app, "container=abroad&region=eu-west-1&path=a.txt", "far away").await;
    let printed = migrated(&server, &["shop", "S3", "local"]).await;
    assert!(printed.contains("moved 1 files"), "{printed}");
    assert_eq!(objects(server.data()).len(), 1);
    eventually("the move is noticed", async || read(&server, &stored).await.text() == "far away").await;
    let region: Option<String> =
        catalogue(&server).query_row("SELECT region FROM files", [], |row| row.get(0)).expect("the row");
    assert_eq!(region, None, "the new store knows itself where its container is");
    let_garbage_become_due(&server);
    let another = store(&server, &app, "filename=b.txt", "x").await;
    let delete = client().delete(format!("{}/api/file/{}", server.url(), text_of(&another, "handle")));
    send(delete.basic_auth("app", Some(&app.secret))).await.expect(200);
    eventually("the original abroad is removed", async || files_below(&s3.root().join("abroad")).is_empty()).await;
    assert_eq!(read(&server, &stored).await.expect(200).text(), "far away");
}
