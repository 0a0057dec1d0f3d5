//! What a crash between "object durable" and "row committed" leaves.

use super::{objects_on_disk, one_whole_object_per_row};
use crate::{
    hostile::eventually,
    support::{client, server, store},
};

/// Such an object has no row and an older generation; these are planted instead of waiting for the moment.
#[tokio::test]
async fn a_start_removes_objects_that_no_row_names() {
    let mut server = server();
    let app = server.app("shop", &[]);
    let stored = store(&server, &app, "", "content").await;
    let shard = server.data().join("objects/objects/ab");
    server.kill();
    std::fs::create_dir_all(&shard).expect("a shard");
    let left_behind = ["0-aaaaaaaaaaaaaaaaaaaaaaaa", "1-bbbbbbbbbbbbbbbbbbbbbbbb"];
    let foreign = ["notes.txt", "1-short", "999999999-cccccccccccccccccccccccc"];
    for name in left_behind.iter().chain(&foreign) {
        std::fs::write(shard.join(name), "half a fi").expect("a planted object");
    }
    server.kill_and_restart();
    eventually("objects of the last run are swept", async || left_behind.iter().all(|name| !shard.join(name).exists()))
        .await;
    // What this store has not made, or has yet to make, is none of its business.
    for name in foreign {
        assert!(shard.join(name).exists(), "{name} is gone");
    }
    let url = format!("{}/{}", server.url(), stored["handle"].as_str().expect("a handle"));
    let read = client().get(url).send().await.expect("an answer");
    assert_eq!(read.text().await.expect("text"), "content");
}

/// Deleted and replaced contents go at once, without a restart.
#[tokio::test]
async fn deleted_and_replaced_contents_leave_the_disk() {
    let server = server();
    let app = server.app("shop", &[]);
    let may = crate::support::signed(&app, r#"{"expiry":4102444800,"call":["write","remove"]}"#);
    let mut urls = Vec::new();
    for content in ["first", "second", "third"] {
        let stored = store(&server, &app, "", content).await;
        urls.push(format!("{}/api/file/{}?{may}", server.url(), stored["handle"].as_str().expect("a handle")));
    }
    assert_eq!(objects_on_disk(server.data()).len(), 3);
    let answer = client().delete(&urls[0]).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let answer = client().post(&urls[1]).body("another").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    one_whole_object_per_row(server.data()).await;
    assert_eq!(objects_on_disk(server.data()).len(), 2);
}
