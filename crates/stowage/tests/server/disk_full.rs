//! A full disk (threat L4): a clear refusal, nothing half-stored, reads as before, and no restart needed once there is room.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    hostile::{Answer, eventually, files_stored, objects},
    support::{App, Stowage, client, server_with, signed, store},
};

/// A small file system of its own; unmounted when dropped.
pub(crate) struct SmallDisk {
    mount_point: TempDir,
}

impl SmallDisk {
    /// Only root may mount.
    pub(crate) fn mount(size: &str) -> Option<Self> {
        let mount_point = tempfile::tempdir().expect("a temporary directory can be made");
        let option = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(mount_point.path());
        mount.output().ok()?.status.success().then_some(Self { mount_point })
    }

    pub(crate) fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.path().join("filler");
        let mut file = File::create(&path).expect("a file");
        for length in [1 << 20, 4096, 1] {
            while file.write_all(&vec![7; length]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[expect(clippy::print_stderr, reason = "a check that was not made must be seen")]
pub(crate) fn skip() {
    eprintln!("SKIPPED: a file system cannot be mounted here, so a full disk was not tried; run the tests as root");
}

fn endless(megabytes: usize) -> reqwest::Body {
    let blocks = (0..megabytes).map(|_| Ok::<_, std::io::Error>(vec![7; 1 << 20]));
    reqwest::Body::wrap_stream(futures_util::stream::iter(blocks))
}

async fn refused(server: &Stowage, app: &App, case: &str, body: reqwest::Body, form: bool) {
    let request = client().post(format!("{}/api/store/S3?key={}", server.url(), app.key));
    let request = match form {
        true => request
            .multipart(reqwest::multipart::Form::new().part("fileUpload", reqwest::multipart::Part::stream(body))),
        false => request.body(body),
    };
    Answer::of(request.send().await.expect(case)).await.refuses(case, 507, "storage is full");
}

async fn readiness(server: &Stowage) -> u16 {
    client().get(format!("{}/readyz", server.url())).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn a_full_disk_refuses_files_and_recovers() {
    // Declared before the server, so that it is unmounted after the server is gone.
    let Some(disk) = SmallDisk::mount("24m") else { return skip() };
    let data = disk.path().join("data");
    let server = server_with(&[("STOWAGE_DATA", data.to_str().expect("UTF-8"))]);
    let app = server.app("shop", &[]);
    let kept = store(&server, &app, "", vec![1; 1 << 20]).await;
    let count = files_stored(&server).await;
    assert_eq!(readiness(&server).await, 200);

    refused(&server, &app, "announced", vec![7; 40 << 20].into(), false).await;
    refused(&server, &app, "chunked", endless(40), false).await;
    refused(&server, &app, "form", endless(40), true).await;
    eventually("the refused files leave nothing", async || objects(&data).len() == 1).await;
    let second = store(&server, &app, "", vec![2; 1 << 20]).await;
    assert_eq!(second["size"], 1 << 20, "what fits is stored");

    let filler = disk.fill();
    refused(&server, &app, "small", "content".into(), false).await;
    refused(&server, &app, "large", endless(2), false).await;
    assert_eq!(readiness(&server).await, 503);
    let url = kept["url"].as_str().expect("a url");
    let read = client().get(url).send().await.expect("an answer");
    assert_eq!(read.bytes().await.expect("the bytes"), vec![1; 1 << 20]);
    let overwrite = signed(&app, r#"{"expiry":4102444800,"call":["write"]}"#);
    let overwrite = format!("{}/api/file/{}?{overwrite}", server.url(), kept["handle"].as_str().expect("a handle"));
    let answer = client().post(overwrite).body("another").send().await.expect("an answer");
    Answer::of(answer).await.refuses("overwrite", 507, "storage is full");
    let read = client().get(url).send().await.expect("an answer");
    assert_eq!(read.bytes().await.expect("the bytes"), vec![1; 1 << 20]);
    eventually("the refused files leave nothing", async || objects(&data).len() == 2).await;
    assert_eq!(files_stored(&server).await, count + 1);

    std::fs::remove_file(filler).expect("the filler goes");
    assert_eq!(readiness(&server).await, 200);
    let third = store(&server, &app, "", vec![3; 1 << 20]).await;
    let read = client().get(third["url"].as_str().expect("a url")).send().await.expect("an answer");
    assert_eq!(read.bytes().await.expect("the bytes"), vec![3; 1 << 20]);
}

/// Who fills the disk with files must be able to make room by deleting some.
#[tokio::test]
async fn deleting_makes_room_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount("24m") else { return skip() };
    let data = disk.path().join("data");
    let server = server_with(&[("STOWAGE_DATA", data.to_str().expect("UTF-8"))]);
    let app = server.app("shop", &[]);
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let mut handles = Vec::new();
    loop {
        let answer = Answer::of(client().post(&url).body(vec![7; 1 << 20]).send().await.expect("an answer")).await;
        if answer.status != 200 {
            answer.refuses("one too many", 507, "storage is full");
            break;
        }
        let stored: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        handles.push(stored["handle"].as_str().expect("a handle").to_owned());
        assert!(handles.len() < 30, "more than the disk holds");
    }
    let may = signed(&app, r#"{"expiry":4102444800,"call":["remove"]}"#);
    for handle in &handles[..5] {
        let url = format!("{}/api/file/{handle}?{may}", server.url());
        assert_eq!(client().delete(url).send().await.expect("an answer").status(), 200);
    }
    eventually("the deleted contents are gone", async || objects(&data).len() == handles.len() - 5).await;
    store(&server, &app, "", vec![7; 4 << 20]).await;
}
