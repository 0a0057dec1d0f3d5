//! Group commit, and what survives a kill.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use stowage_core::{app::AppSettings, handle::Handle, location::Location};
use tokio::task::JoinSet;

use crate::support::{Fixture, file, open, store_at};

#[tokio::test]
async fn concurrent_commits_share_transactions() {
    let fixture = Fixture::new().await;
    let before = fixture.catalogue.statistics();
    let mut commits = JoinSet::new();
    for number in 0..200 {
        let catalogue = fixture.catalogue.clone();
        let file = fixture.file(&format!("file-{number}"));
        commits.spawn(async move {
            let handle = file.handle;
            catalogue.commit_file(file, None).await.map(|()| handle)
        });
    }
    for handle in commits.join_all().await {
        let handle = handle.expect("commit");
        assert!(fixture.read(&handle).await.is_some());
    }
    let after = fixture.catalogue.statistics();
    assert_eq!(after.commits - before.commits, 200);
    let batches = after.batches - before.batches;
    assert!(batches < 100, "{batches} transactions for 200 files");
}

const DATABASE: &str = "STOWAGE_TEST_DATABASE";
const MARK: &str = "acknowledged ";

/// Not a test by itself: the process that the next test kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child process of `acknowledged_files_survive_a_kill`"]
async fn child_that_commits_until_killed() {
    let Some(database) = std::env::var_os(DATABASE) else {
        return;
    };
    let catalogue = open(Path::new(&database));
    let name = format!("process-{}", std::process::id());
    let app = catalogue.create_app(&name, AppSettings::default()).await.expect("app");
    let store = store_at(&catalogue, &app, Location::S3).await;
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let (catalogue, app) = (catalogue.clone(), app.id);
        tasks.spawn(async move {
            for number in 0_u64.. {
                let file = file(app, store, &format!("{task}-{number}"));
                let line = format!("{MARK}{}\n", file.handle.as_str());
                catalogue.commit_file(file, None).await.expect("commit");
                let printed = std::io::stdout().write_all(line.as_bytes());
                printed.expect("the parent reads");
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test]
async fn acknowledged_files_survive_a_kill() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let database = directory.path().join("catalogue.db");
    for wanted in [1, 40, 150, 400] {
        let acknowledged = run_and_kill(&database, wanted);
        assert!(acknowledged.len() >= wanted);
        let catalogue = open(&database);
        for handle in acknowledged {
            let row = catalogue.file(&handle).await.expect("read");
            assert!(row.is_some(), "{} was lost", handle.as_str());
        }
    }
}

/// Kills a committing process once it acknowledged `wanted` files; returns all that it acknowledged.
fn run_and_kill(database: &Path, wanted: usize) -> Vec<Handle> {
    let mut child = Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "durability::child_that_commits_until_killed"])
        .args(["--ignored", "--nocapture"])
        .env(DATABASE, database)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        let line = line.expect("text");
        // A line that the kill cut short was never acknowledged in full.
        if let Some(Ok(handle)) = line.strip_prefix(MARK).map(Handle::parse) {
            acknowledged.push(handle);
        }
        if acknowledged.len() == wanted {
            child.kill().expect("kill");
        }
    }
    child.wait().expect("reap");
    acknowledged
}
