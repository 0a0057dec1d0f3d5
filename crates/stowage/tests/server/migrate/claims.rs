//! An upload in the server and a move in another process to one storage key: one after the other, whoever dies on the way.

use std::{io, time::Duration};

use futures_util::{StreamExt, stream};
use stowage_testkit::{Fault, FaultProxy, S3Server, Way};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::{add_bucket_at, catalogue, migrate, migrated, output, read, texts};
use crate::{
    hostile::{eventually, files_below},
    support::{App, HttpAnswer, Stowage, client, post, send, server, store, text_of},
};

const KEY: &str = "docs/a.txt";

/// A file on the built-in store, which was then replaced by a bucket behind a proxy.
struct Scene {
    s3: S3Server,
    proxy: FaultProxy,
    server: Stowage,
    app: App,
    handle: String,
}

impl Scene {
    async fn set() -> Self {
        let s3 = S3Server::start("bucket").await;
        let proxy = FaultProxy::start(&s3.endpoint()).await;
        let mut server = server();
        let app = server.app("shop", &[]);
        let stored = store(&server, &app, &format!("path={KEY}"), vec![b'm'; 100_000]).await;
        add_bucket_at(&server, &proxy.url(), &s3, &app, "S3");
        server.kill_and_restart();
        Self { s3, proxy, handle: text_of(&stored, "handle").to_owned(), server, app }
    }

    fn url(&self) -> String {
        format!("{}/api/store/S3?key={}&path={KEY}", self.server.url(), self.app.key)
    }

    /// How many objects a claimant is at.
    fn claims(&self, claimant: &str) -> i64 {
        let sql = "SELECT count(*) FROM intents WHERE claimant = ?1";
        catalogue(&self.server).query_row(sql, [claimant], |row| row.get(0)).expect("a number")
    }

    /// An upload that goes on when the sender is dropped.
    async fn upload_half(&self) -> (oneshot::Sender<()>, JoinHandle<reqwest::Result<u16>>) {
        let (sender, dropped) = oneshot::channel();
        let rest =
            stream::once(async { Ok::<_, io::Error>(dropped.await.map_or_else(|_| Vec::new(), |()| vec![b'?'])) });
        let content = stream::once(async { Ok(vec![b'u'; 100_000]) }).chain(rest);
        let request = client().post(self.url()).body(reqwest::Body::wrap_stream(content));
        let upload = tokio::spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) });
        eventually("the upload has claimed its key", async || self.claims("server") == 1).await;
        (sender, upload)
    }

    fn object(&self) -> Vec<u8> {
        std::fs::read(self.s3.root().join("bucket").join(KEY)).expect("the object")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_leaves_a_key_alone_that_an_upload_is_writing() {
    let scene = Scene::set().await;
    let (sender, upload) = scene.upload_half().await;
    let output = output(&scene.server, &["shop", "S3", "S3"]).await;
    let (printed, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}{complaint}");
    assert!(printed.contains("is being written") && printed.contains(KEY), "{printed}");
    assert_eq!(files_below(&scene.s3.root().join("bucket")).len(), 0);

    drop(sender);
    assert_eq!(upload.await.expect("the task").expect("an answer"), 200);
    assert_eq!((scene.object(), scene.claims("server")), (vec![b'u'; 100_000], 0));
    assert_eq!(read(&scene.server, &scene.handle).await, vec![b'm'; 100_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_for_a_move_until_that_is_done_or_dead() {
    let scene = Scene::set().await;
    scene.proxy.fail(Fault::Stall(Way::Request, 5_000));
    let mut moving = migrate(&scene.server, &["shop", "S3", "S3"]).spawn().expect("the command runs");
    eventually("the move is stuck at the provider", async || scene.proxy.struck() > 0).await;
    assert_eq!(scene.claims("mover"), 1);

    let upload = send(client().post(scene.url()).body("the upload"));
    tokio::pin!(upload);
    let early: Result<HttpAnswer, _> = timeout(Duration::from_millis(500), &mut upload).await;
    assert!(early.is_err(), "two processes write one object: {early:?}");
    // Another key is free, but the provider is still stuck; so look at the built-in store instead.
    post(&scene.server, &format!("/api/store/local?key={}&path={KEY}", scene.app.key), "x").await.expect(200);

    moving.kill().await.expect("it can be killed");
    scene.proxy.heal();
    let stored =
        timeout(Duration::from_secs(20), upload).await.expect("a dead process blocks nobody").expect(200).json();
    assert_eq!((scene.object(), scene.claims("mover")), (b"the upload".to_vec(), 0));
    assert_eq!(read(&scene.server, text_of(&stored, "handle")).await, b"the upload");
    assert_eq!(read(&scene.server, &scene.handle).await, vec![b'm'; 100_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_does_not_keep_files_from_moving() {
    let mut scene = Scene::set().await;
    let (_sender, upload) = scene.upload_half().await;
    scene.server.kill();
    assert!(upload.await.expect("the task").is_err());
    assert!(migrated(&scene.server, &["shop", "S3", "S3"]).await.contains("moved 1 files"));
    scene.server.kill_and_restart();
    assert_eq!(read(&scene.server, &scene.handle).await, vec![b'm'; 100_000]);
    assert_eq!(scene.object(), vec![b'm'; 100_000]);
}
