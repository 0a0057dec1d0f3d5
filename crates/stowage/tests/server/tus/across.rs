//! What one protocol begins another can inspect and finish.

use serde_json::{Value, json};
use stowage_testkit::S3Server;

use super::{MIB, append, begin, bytes, content, head, offset};
use crate::{
    multipart_uploads::bucket_app,
    support::{App, Stowage, client, get, send, server, text_of},
};

async fn multipart(server: &Stowage, app: &App, step: &str, more: Value) -> Value {
    let mut body = json!({ "apikey": app.key });
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    send(client().post(format!("{}/multipart/{step}", server.url())).json(&body)).await.expect(200).json()
}

/// Begins an upload by the multipart protocol; gives its id.
async fn start(server: &Stowage, app: &App, size: usize) -> String {
    let begun = multipart(server, app, "start", json!({ "filename": "a.bin", "size": size })).await;
    text_of(&begun, "upload_id").to_owned()
}

async fn put(server: &Stowage, app: &App, id: &str, more: Value, content: &[u8]) {
    let mut told = json!({ "upload_id": id, "size": content.len() });
    told.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let announced = multipart(server, app, "upload", told).await;
    send(client().put(text_of(&announced, "url")).body(content.to_vec())).await.expect(200);
}

#[tokio::test]
async fn tus_goes_on_where_parts_end_and_over_those_that_came_early() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(25 * MIB + 3, 1);
    let id = start(&server, &app, whole.len()).await;
    let url = format!("{}/tus/{id}", server.url());
    put(&server, &app, &id, json!({ "part": 1 }), &whole[..8 * MIB]).await;
    put(&server, &app, &id, json!({ "part": 3 }), &whole[16 * MIB..24 * MIB]).await;
    let told = head(&url).await.expect(200);
    assert_eq!((told.header("upload-offset"), told.header("upload-length")), ("8388608", "26214403"));
    // A client sends all from the hole on; what is there already stays.
    let last = append(&url, 8 * MIB, &whole[8 * MIB..]).await.expect(204);
    assert_eq!(last.header("upload-offset"), "26214403");
    assert!(content(&server, &last).await == whole, "the content is another");
    let file = multipart(&server, &app, "complete", json!({ "upload_id": id })).await;
    assert_eq!(text_of(&file, "handle"), last.header("stowage-handle"));
}

#[tokio::test]
async fn a_body_that_ends_among_early_parts_is_told_where_to_go_on() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(17 * MIB, 1);
    let id = start(&server, &app, whole.len()).await;
    let url = format!("{}/tus/{id}", server.url());
    put(&server, &app, &id, json!({ "part": 2 }), &whole[8 * MIB..16 * MIB]).await;
    assert_eq!(offset(&url).await, 0);
    let piece = append(&url, 0, &whole[..9 * MIB]).await.expect(204);
    assert_eq!(piece.header("upload-offset"), (16 * MIB).to_string());
    let last = append(&url, 16 * MIB, &whole[16 * MIB..]).await.expect(204);
    assert!(content(&server, &last).await == whole, "the content is another");
}

#[tokio::test]
async fn parts_go_on_where_tus_ends() {
    let server = server();
    let app = server.app("uploads", &[]);
    let whole = bytes(9 * MIB, 2);
    let url = begin(&server, &app, whole.len()).await;
    let id = url.rsplit('/').next().expect("an id");
    append(&url, 0, &whole[..3 * MIB]).await.expect(204);
    put(&server, &app, id, json!({ "part": 1, "offset": 3 * MIB, "fii": true }), &whole[3 * MIB..8 * MIB]).await;
    assert_eq!(offset(&url).await, 8 * MIB);
    put(&server, &app, id, json!({ "part": 2, "offset": 0, "fii": true }), &whole[8 * MIB..]).await;
    let file = multipart(&server, &app, "complete", json!({ "upload_id": id, "filename": "b.bin", "fii": true })).await;
    assert_eq!(text_of(&file, "filename"), "b.bin");
    let done = head(&url).await.expect(200);
    assert_eq!(done.header("stowage-handle"), text_of(&file, "handle"));
    assert!(content(&server, &done).await == whole, "the content is another");
}

#[tokio::test]
async fn what_is_all_there_is_completed_by_whoever_asks() {
    let server = server();
    let app = server.app("uploads", &[]);
    let id = start(&server, &app, 5).await;
    put(&server, &app, &id, json!({ "part": 1 }), b"hello").await;
    let url = format!("{}/tus/{id}", server.url());
    let progress = send(client().get(&url)).await.expect(200).json();
    assert_eq!((progress["offset"].as_u64(), progress["length"].as_u64()), (Some(5), Some(5)));
    let (one, two) = tokio::join!(head(&url), head(&url));
    assert_eq!(one.expect(200).header("stowage-handle"), two.header("stowage-handle"));
    assert_eq!(content(&server, &two).await, b"hello");
}

#[tokio::test]
async fn a_bucket_gets_parts_while_pieces_come() {
    let s3 = S3Server::start("bucket").await;
    let mut server = server();
    let app = bucket_app(&server, &s3, &[]);
    let whole = bytes(20 * MIB + 9, 4);
    let url = begin(&server, &app, whole.len()).await;
    let path = url.strip_prefix(server.url()).expect("ours").to_owned();
    append(&url, 0, &whole[..MIB]).await.expect(204);
    append(&url, MIB, &whole[MIB..9 * MIB]).await.expect(204);
    server.kill_and_restart();
    let url = format!("{}{path}", server.url());
    assert_eq!(offset(&url).await, 9 * MIB);
    let last = append(&url, 9 * MIB, &whole[9 * MIB..]).await.expect(204);
    assert!(content(&server, &last).await == whole, "the content is another");
    let file = get(&server, &path).await.expect(200).json();
    let object = s3.root().join("bucket").join(text_of(&file, "key"));
    assert!(std::fs::read(object).expect("the object has the reported key") == whole, "the object is another");
}

#[tokio::test]
async fn an_upload_whose_storing_failed_is_stored_when_asked_again() {
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = bucket_app(&server, &s3, &[]);
    let url = begin(&server, &app, 5).await;
    let bucket = s3.root().join("bucket");
    let away = s3.root().join("away");
    std::fs::rename(&bucket, &away).expect("the bucket can be taken away");
    let refused = append(&url, 0, b"hello").await;
    assert!(refused.status >= 400, "{}", refused.status);
    assert!(head(&url).await.status >= 400);
    let progress = send(client().get(&url)).await.expect(200).json();
    assert_eq!(progress["offset"], 5);
    std::fs::rename(&away, &bucket).expect("the bucket comes back");
    let done = head(&url).await.expect(200);
    assert_eq!(content(&server, &done).await, b"hello");
}
