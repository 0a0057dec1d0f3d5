//! `stowage put` of a large file goes on where it was, whichever side was killed.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use stowage_testkit::{Fault, FaultProxy, Way};

use crate::support::{App, Stowage, get, server, text_of};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 40 * MIB;
/// Where the first attempt gets stuck: in the middle of a part.
const STUCK: u64 = 21 * MIB;

struct Uploader {
    home: tempfile::TempDir,
    content: Vec<u8>,
}

impl Uploader {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let content: Vec<u8> = (0..SIZE as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        std::fs::write(home.path().join("large.bin"), &content).expect("the file is written");
        Self { home, content }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("large.bin")
    }

    fn put(&self, app: &App, proxy: &FaultProxy) -> Child {
        Command::new(env!("CARGO_BIN_EXE_stowage"))
            .args(["put", "--json", "--path", "/in/", "--server", &proxy.url()])
            .arg(self.file())
            .env("STOWAGE_KEY", &app.key)
            .env("STOWAGE_SECRET", &app.secret)
            .env("XDG_STATE_HOME", self.home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs")
    }

    async fn check(&self, server: &Stowage, app: &App, child: Child) {
        let output =
            tokio::task::spawn_blocking(|| child.wait_with_output()).await.expect("no panic").expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        assert_eq!((&file["size"], &file["filename"]), (&SIZE.into(), &"large.bin".into()));
        assert!(text_of(&file, "key").starts_with("in/"), "{file}");
        let policy = crate::support::signed(app, &crate::support::allowing(&["read"]));
        let read = get(server, &format!("/api/file/{}?{policy}", text_of(&file, "handle"))).await.expect(200);
        assert!(read.body == self.content, "the content is another");
        let notes = std::fs::read_dir(self.home.path().join("stowage/uploads")).expect("notes were kept").count();
        assert_eq!(notes, 0, "the note of a finished upload stays");
    }
}

async fn until_stuck(proxy: &FaultProxy) {
    while proxy.struck() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_client_goes_on_when_it_is_started_again() {
    let server = server();
    let app = server.app("uploads", &["--security"]);
    let proxy = FaultProxy::start(server.url()).await;
    let uploader = Uploader::new();
    proxy.fail_times(1, Fault::Stall(Way::Request, STUCK));
    let mut killed = uploader.put(&app, &proxy);
    until_stuck(&proxy).await;
    killed.kill().expect("it can be killed");
    killed.wait().expect("it ends");
    // Who began again would send more than this in one request.
    proxy.fail(Fault::Cut(Way::Request, SIZE - 8 * MIB));
    let again = uploader.put(&app, &proxy);
    uploader.check(&server, &app, again).await;
    assert_eq!(proxy.struck(), 0, "the upload began again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_waited_for() {
    let mut server = server();
    let app = server.app("uploads", &["--security"]);
    let proxy = FaultProxy::start(server.url()).await;
    let uploader = Uploader::new();
    proxy.fail_times(1, Fault::Stall(Way::Request, STUCK));
    let client = uploader.put(&app, &proxy);
    until_stuck(&proxy).await;
    server.kill();
    // The first part of 8 MiB at least was durable, however slow the disk is.
    proxy.fail(Fault::Cut(Way::Request, SIZE - 4 * MIB));
    server.kill_and_restart();
    proxy.retarget(server.url());
    uploader.check(&server, &app, client).await;
    assert_eq!(proxy.struck(), 0, "the upload began again");
}
