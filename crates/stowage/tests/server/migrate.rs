//! `stowage store migrate`: files change their store beside a running server, verified, and nobody notices.

mod claims;
mod verification;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    process::{Output, Stdio},
};

use stowage_testkit::S3Server;
use tokio::process::Command;

use crate::{
    hostile::{eventually, files_below, objects},
    support::{App, Stowage, client, get, multipart, send, server, store, text_of},
};

/// Adds a store in a bucket of a server in this process.
fn add_bucket(server: &Stowage, s3: &S3Server, app: &App, name: &str) {
    add_bucket_at(server, &s3.endpoint(), s3, app, name);
}

fn add_bucket_at(server: &Stowage, endpoint: &str, s3: &S3Server, app: &App, name: &str) {
    let endpoint = format!("endpoint={endpoint}");
    let id = format!("access_key_id={}", s3.access_key_id());
    let secret = format!("secret_access_key={}", s3.secret_access_key());
    server.run(&["store", "add", &app.name, name, "--provider", "s3", "bucket=bucket", &endpoint, &id, &secret]);
}

/// The command beside the server; asynchronous, because the S3 server lives in this process.
fn migrate(server: &Stowage, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stowage"));
    command.args(["store", "migrate"]).args(arguments).env("STOWAGE_DATA", server.data()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(server: &Stowage, arguments: &[&str]) -> Output {
    migrate(server, arguments).output().await.expect("the command runs")
}

/// What it printed to standard output and standard error.
fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

pub(crate) async fn migrated(server: &Stowage, arguments: &[&str]) -> String {
    let output = output(server, arguments).await;
    let (printed, complaint) = texts(&output);
    assert!(output.status.success(), "{printed}{complaint}");
    printed
}

pub(crate) fn catalogue(server: &Stowage) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(server.data().join("catalogue.sqlite")).expect("the catalogue");
    connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a time limit");
    connection
}

/// Number of files by the name of their store.
fn files_by_store(server: &Stowage) -> BTreeMap<String, i64> {
    let connection = catalogue(server);
    let sql = "SELECT stores.name, count(*) FROM files JOIN stores ON stores.id = files.store GROUP BY stores.name";
    let mut counts = connection.prepare(sql).expect("a statement");
    let counts = counts.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    counts.collect::<Result<_, _>>().expect("names and numbers")
}

/// As if the time had passed that moved objects are kept for late readers.
pub(crate) fn let_garbage_become_due(server: &Stowage) {
    let changed = catalogue(server).execute("UPDATE garbage SET due = 0 WHERE due < ?1", [i64::MAX]);
    changed.expect("an update");
}

fn content(number: usize) -> Vec<u8> {
    let size = [0, 11, 40_000, 300_000][number % 4];
    (0..size).map(|position| ((position * 7 + number * 31) % 251) as u8).collect()
}

/// Stores files of many sizes; their handles.
async fn fill(server: &Stowage, app: &App, count: usize) -> Vec<String> {
    let url = format!("{}/api/store/S3?key={}", server.url(), app.key);
    let mut handles = Vec::new();
    for number in 0..count {
        let (media_type, form) = multipart(&[(r#"name="fileUpload"; filename="a.bin""#, None, &content(number))]);
        let request = client().post(&url).header("Content-Type", media_type).body(form);
        handles.push(text_of(&send(request).await.expect(200).json(), "handle").to_owned());
    }
    handles
}

async fn read(server: &Stowage, handle: &str) -> Vec<u8> {
    get(server, &format!("/{handle}")).await.expect(200).body
}

#[tokio::test]
async fn nobody_notices_that_files_move() {
    const OVERWRITTEN: std::ops::Range<usize> = 0..6;
    const DELETED: std::ops::Range<usize> = 6..10;
    let s3 = S3Server::start("bucket").await;
    let server = server();
    let app = server.app("shop", &[]);
    let handles = fill(&server, &app, 40).await;
    add_bucket(&server, &s3, &app, "cloud");
    let url = |number: usize| format!("{}/api/file/{}", server.url(), handles[number]);
    let owner = |request: reqwest::RequestBuilder| request.basic_auth("app", Some(&app.secret));

    let is_over = RefCell::new(false);
    let migration = async {
        let printed = migrated(&server, &["shop", "S3", "cloud"]).await;
        *is_over.borrow_mut() = true;
        printed
    };
    let readers = async {
        let mut reads = 0;
        while !*is_over.borrow() {
            for (number, handle) in handles.iter().enumerate().skip(DELETED.end) {
                assert!(read(&server, handle).await == content(number), "file {number}");
                reads += 1;
            }
        }
        reads
    };
    let writers = async {
        let mut round = 0;
        while !*is_over.borrow() {
            round += 1;
            for number in OVERWRITTEN {
                send(owner(client().post(url(number))).body(format!("{number} in round {round}"))).await.expect(200);
            }
            if round == 1 {
                for number in DELETED {
                    send(owner(client().delete(url(number)))).await.expect(200);
                }
            }
        }
        round
    };
    let (printed, reads, rounds) = tokio::join!(migration, readers, writers);
    assert!(printed.contains("from `S3` to `cloud`") && reads >= 30 && rounds > 0, "{printed} {reads} {rounds}");

    // An overwrite that began before its file moved took the file back with it.
    migrated(&server, &["shop", "S3", "cloud"]).await;
    assert_eq!(files_by_store(&server), BTreeMap::from([("cloud".to_owned(), 36)]));
    for (number, handle) in handles.iter().enumerate() {
        let path = format!("/{handle}");
        if OVERWRITTEN.contains(&number) {
            assert_eq!(get(&server, &path).await.expect(200).text(), format!("{number} in round {rounds}"));
        } else if DELETED.contains(&number) {
            get(&server, &path).await.expect(404);
        } else {
            assert!(read(&server, handle).await == content(number), "file {number}");
        }
    }
    let_garbage_become_due(&server);
    send(owner(client().delete(url(39)))).await.expect(200);
    eventually("the originals are removed", async || objects(server.data()).is_empty()).await;
    eventually("copies of changed files are removed", async || files_below(&s3.root().join("bucket")).len() == 35)
        .await;
}

#[tokio::test]
async fn an_interrupted_run_is_taken_up_again() {
    let s3 = S3Server::start("bucket").await;
    let mut server = server();
    let app = server.app("shop", &[]);
    let handles = fill(&server, &app, 60).await;
    add_bucket(&server, &s3, &app, "cloud");
    let mut running = migrate(&server, &["shop", "S3", "cloud"]).spawn().expect("the command runs");
    eventually("some files have moved", async || files_by_store(&server).contains_key("cloud")).await;
    running.kill().await.expect("it can be killed");
    for (number, handle) in handles.iter().enumerate() {
        assert!(read(&server, handle).await == content(number), "file {number} in between");
    }
    // The next start of the server judges what the interrupted run left.
    server.kill_and_restart();
    let moved = files_by_store(&server)["cloud"];
    assert!(moved < 60, "it was not interrupted");
    let printed = migrated(&server, &["shop", "S3", "cloud"]).await;
    assert!(printed.contains(&format!("moved {} files", 60 - moved)), "{printed} after {moved}");
    assert_eq!(files_by_store(&server), BTreeMap::from([("cloud".to_owned(), 60)]));
    for (number, handle) in handles.iter().enumerate() {
        assert!(read(&server, handle).await == content(number), "file {number} in the end");
    }
    assert!(migrated(&server, &["shop", "S3", "cloud"]).await.contains("moved 0 files"));
}

#[tokio::test]
async fn damaged_content_stays_where_it_is_and_is_named() {
    let server = server();
    let app = server.app("shop", &[]);
    let mut handles = Vec::new();
    for text in ["sound content", "rotten content", "truncated content"] {
        let stored = store(&server, &app, "", text).await;
        handles.push(text_of(&stored, "handle").to_owned());
    }
    for object in objects(server.data()) {
        match std::fs::read(&object).expect("an object").as_slice() {
            b"rotten content" => std::fs::write(&object, "rotted content").expect("damage"),
            b"truncated content" => std::fs::write(&object, "trunc").expect("damage"),
            _ => {}
        }
    }
    server.run(&["store", "add", "shop", "archive", "--provider", "local"]);
    let output = output(&server, &["shop", "S3", "archive"]).await;
    let (printed, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}{complaint}");
    assert!(complaint.starts_with("stowage: 2 files could not be moved"), "{complaint}");
    for handle in &handles[1..] {
        assert!(complaint.contains(handle) && printed.contains(&format!("not moved: {handle}: ")), "{printed}");
    }
    assert!(printed.contains("SHA-256") && printed.contains("moved 1 files with 13 bytes"), "{printed}");
    assert_eq!(files_by_store(&server), BTreeMap::from([("S3".to_owned(), 2), ("archive".to_owned(), 1)]));
    assert_eq!(read(&server, &handles[0]).await, b"sound content");
    assert_eq!(objects(server.data()).len(), 4, "nothing is left of the failed copies");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_kept_source_stays() {
    let mut server = server();
    let app = server.app("shop", &[]);
    let handles = fill(&server, &app, 8).await;
    server.run(&["store", "add", "shop", "archive", "--provider", "local"]);
    let before = (objects(server.data()), files_by_store(&server));
    let printed = migrated(&server, &["shop", "S3", "archive", "--dry-run"]).await;
    assert_eq!(printed, "would move 8 files with 680022 bytes from `S3` to `archive`\n");
    assert_eq!((objects(server.data()), files_by_store(&server)), before);

    let printed = migrated(&server, &["shop", "S3", "archive", "--keep-source"]).await;
    assert_eq!(printed, "moved 8 files with 680022 bytes from `S3` to `archive`\n");
    let_garbage_become_due(&server);
    // Its sweep takes objects of earlier runs that no row names; those of the command count as such.
    server.kill_and_restart();
    let planted = server.data().join("objects/objects/ab/0-aaaaaaaaaaaaaaaaaaaaaaaa");
    std::fs::create_dir_all(planted.parent().expect("a shard")).expect("a shard");
    std::fs::write(&planted, "half a fi").expect("a planted object");
    server.kill_and_restart();
    eventually("the sweep has come by", async || !planted.exists()).await;
    assert_eq!(objects(server.data()).len(), 16);
    for (number, handle) in handles.iter().enumerate() {
        assert!(read(&server, handle).await == content(number), "file {number}");
    }
}

#[tokio::test]
async fn a_start_spares_copies_of_a_running_command() {
    let mut server = server();
    let app = server.app("shop", &[]);
    server.kill();
    let lock = std::fs::File::create(server.data().join("moves.lock")).expect("the lock of the command");
    lock.lock().expect("nobody else has it");
    let copy = server.data().join("objects/objects/ab/0-aaaaaaaaaaaaaaaaaaaaaaaa");
    std::fs::create_dir_all(copy.parent().expect("a shard")).expect("a shard");
    std::fs::write(&copy, "no row names it yet").expect("a copy");
    server.kill_and_restart();
    // The server is at work, its collector too.
    let stored = store(&server, &app, "", "content").await;
    let url = format!("{}/api/file/{}", server.url(), text_of(&stored, "handle"));
    send(client().delete(url).basic_auth("app", Some(&app.secret))).await.expect(200);
    eventually("the deleted object is removed", async || objects(server.data()).len() == 1).await;
    assert!(copy.exists());
    drop(lock);
    eventually("without the command it is a left-over", async || !copy.exists()).await;
}

#[tokio::test]
async fn keys_and_containers() {
    let s3 = S3Server::start("bucket").await;
    let mut server = server();
    let app = server.app("shop", &[]);
    let first = store(&server, &app, "path=docs/a.txt", "old").await;
    let second = store(&server, &app, "path=docs/a.txt", "shared").await;
    let clash = store(&server, &app, "path=docs/b.txt", "local").await;
    // The built-in store is replaced: what it holds is still to be had by its name.
    add_bucket(&server, &s3, &app, "S3");
    server.kill_and_restart();
    let newer = store(&server, &app, "path=docs/b.txt", "newer").await;
    assert_eq!(newer["container"], "bucket");
    let output = output(&server, &["shop", "S3", "S3"]).await;
    let (printed, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}{complaint}");
    assert!(
        printed.contains("moved 2 files with 12 bytes") && printed.contains("another file has its key"),
        "{printed}"
    );
    assert!(complaint.contains(text_of(&clash, "handle")), "{complaint}");
    for (stored, expected) in [(&first, "shared"), (&second, "shared"), (&clash, "local"), (&newer, "newer")] {
        assert_eq!(read(&server, text_of(stored, "handle")).await, expected.as_bytes());
    }
    let object = s3.root().join("bucket/docs/a.txt");
    assert_eq!(std::fs::read(&object).expect("the key stays"), b"shared");
    let metadata = get(&server, &format!("/{}/metadata?container=true&key=true", text_of(&first, "handle"))).await;
    assert_eq!(metadata.json(), serde_json::json!({ "container": "bucket", "key": "docs/a.txt" }));
    refuses_two_names_of_one_place(&server, &s3, &app).await;
    assert_eq!(std::fs::read(&object).expect("the only copy"), b"shared");
}

async fn refuses_two_names_of_one_place(server: &Stowage, s3: &S3Server, app: &App) {
    add_bucket(server, s3, app, "again");
    let before = files_below(&s3.root().join("bucket"));
    let output = output(server, &["shop", "S3", "again"]).await;
    let (printed, complaint) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}{complaint}");
    assert!(complaint.contains("one place"), "{complaint}");
    assert_eq!(files_below(&s3.root().join("bucket")), before, "the probe is gone");
    for (arguments, expected) in [(["shop", "none", "S3"], "no store `none`"), (["shop", "again", "again"], "no other")]
    {
        let output = self::output(server, &arguments).await;
        let (printed, complaint) = texts(&output);
        assert!(!output.status.success() && complaint.contains(expected), "{printed}{complaint}");
    }
}
