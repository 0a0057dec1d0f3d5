//! What a hostile client may make of an upload: no more bytes, no more pieces and no other types than it is allowed.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{Client, call, merge};
use crate::support::{HttpAnswer, client, send, server, text_of};

const HTML: &[u8] = b"<!DOCTYPE html><html><script>alert(1)</script></html>";

/// Bytes for a part, without an announcement.
async fn put(upload: &Client<'_>, part: u32, query: &str, content: &[u8]) -> HttpAnswer {
    let id = text_of(&upload.begun, "upload_id");
    let url = format!("{}/multipart/part/{id}/{part}?{query}", upload.server.url());
    send(client().put(url).body(content.to_vec())).await
}

#[tokio::test]
async fn parts_take_no_more_room_than_the_file_will() {
    let server = server();
    let app = server.app("uploads", &[]);
    let upload = Client::start(&server, &app, json!({ "size": 10, "fii": true })).await;
    put(&upload, 1, "size=6", b"abcdef").await.expect(200);
    put(&upload, 2, "size=5", b"ghijk").await.expect(413);
    put(&upload, 10_000, "size=10", b"0123456789").await.expect(413);
    put(&upload, 2, "size=1&offset=4", b"k").await.expect(413);
    put(&upload, 2, "size=1&offset=18446744073709551615", b"k").await.expect(400);
    // A part that comes again, longer or shorter, takes the place of the old one.
    put(&upload, 1, "size=7", b"abcdefg").await.expect(200);
    put(&upload, 1, "size=6", b"abcdef").await.expect(200);
    put(&upload, 2, "size=2&offset=2", b"ij").await.expect(200);
    put(&upload, 2, "size=3&offset=0", b"ghi").await.expect(200);
    let file = upload.complete(json!({ "fii": true })).await.expect(200).json();
    assert_eq!(upload.content(&file).await, b"abcdefghij");
}

#[tokio::test]
async fn a_part_in_crumbs_is_refused_before_it_costs_much() {
    let server = server();
    let app = server.app("uploads", &[]);
    let upload = Client::start(&server, &app, json!({ "size": 4000, "fii": true })).await;
    let crumbs = stream::iter(0..1200).map(async |index| {
        let answer = put(&upload, 1, &format!("size=1&offset={}", 2 * index), b"x").await;
        assert!(answer.status == 200 || answer.text().contains("too many pieces"), "{}", answer.text());
        answer.status
    });
    let statuses: Vec<u16> = crumbs.buffer_unordered(32).collect().await;
    let refused = statuses.iter().filter(|status| **status == 400).count();
    assert!((100..=176).contains(&refused), "{refused} of 1,200 were refused");
    // The whole part takes the place of all of them.
    let content = vec![b'y'; 4000];
    put(&upload, 1, "size=4000", &content).await.expect(200);
    let file = upload.complete(json!({ "fii": true })).await.expect(200).json();
    assert_eq!(upload.content(&file).await, content);
}

#[tokio::test]
async fn no_way_of_sending_parts_hides_a_forbidden_type() {
    let server = server();
    let app = server.app("images", &["--allowed-mime-types", "image/*"]);
    let image = json!({ "filename": "a.png", "mimetype": "image/png" });
    let refused = async |begun: &Value, part: u32, content: &[u8], ending: &Value| {
        let mut more = json!({ "size": content.len() });
        merge(&mut more, begun);
        let upload = Client::start(&server, &app, more).await;
        upload.part(part, content).await;
        upload.complete(ending.clone()).await.expect(400).json()["code"] == "type_not_allowed"
    };
    assert!(refused(&image, 1, HTML, &json!({})).await);
    assert!(refused(&image, 2, HTML, &json!({})).await, "no part has the number 1");
    assert!(refused(&image, 1, b"text", &json!({ "mimetype": "text/html" })).await, "another type at the end");
    let nameless = json!({ "filename": null, "mimetype": null });
    assert!(refused(&nameless, 1, b"\x01\x02\x03", &json!({})).await, "nobody knows the type");
}

#[tokio::test]
async fn content_that_would_have_to_be_decoded_is_refused_at_the_start() {
    let server = server();
    let app = server.app("uploads", &[]);
    let start =
        |decode: bool| json!({ "apikey": app.key, "filename": "a", "size": 4, "store": { "base64decode": decode } });
    assert!(call(&server, "start", &start(true)).await.expect(400).text().contains("base64decode"));
    call(&server, "start", &start(false)).await.expect(200);
}
