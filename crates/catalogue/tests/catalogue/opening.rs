//! Creating and opening the database: migrations, master key, several instances on one file.

use std::{fs, os::unix::fs::PermissionsExt, sync::Barrier, thread};

use stowage_catalogue::{Catalogue, CatalogueError, MasterKey, NewStore};
use stowage_core::{app::AppSettings, location::Location};
use tokio::task::JoinSet;

use crate::support::{Fixture, file, open, store_at};

#[tokio::test]
async fn an_empty_directory_becomes_a_catalogue_that_can_be_opened_again() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("catalogue.db");
    for start in 1..=3 {
        let catalogue = open(&path);
        catalogue.check().await.expect("check");
        let generation = catalogue.next_generation().await.expect("generation");
        assert_eq!(generation, start);
    }
    let mode = fs::metadata(&path).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_wrong_master_key_is_noticed() {
    let fixture = Fixture::new().await;
    let other = MasterKey::parse(&"11".repeat(32)).expect("key");
    let refused = Catalogue::open(&fixture.database(), other).map(drop);
    assert!(matches!(refused, Err(CatalogueError::WrongMasterKey)));
}

#[tokio::test]
async fn secrets_cannot_be_read_from_the_files() {
    let fixture = Fixture::new().await;
    let config = serde_json::json!({ "secret_key": "hvSvDcR3bkT0pS3cr3t" });
    fixture
        .catalogue
        .put_store(fixture.app.id, NewStore { config, ..NewStore::built_in(Location::S3) })
        .await
        .expect("store");
    let mut bytes = Vec::new();
    for entry in fs::read_dir(fixture.directory.path()).expect("list") {
        bytes.extend(fs::read(entry.expect("entry").path()).expect("read"));
    }
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains(fixture.app.key.as_str()), "the search works");
    assert!(!contains(fixture.app.secret.expose()));
    assert!(!contains("hvSvDcR3bkT0pS3cr3t"));
}

#[tokio::test]
async fn a_secret_moved_to_another_row_does_not_open() {
    let fixture = Fixture::new().await;
    let other = fixture.catalogue.create_app("other", AppSettings::default()).await.expect("app");
    let raw = rusqlite::Connection::open(fixture.database()).expect("raw connection");
    raw.execute(
        "UPDATE apps SET secret = (SELECT secret FROM apps WHERE id = ?1) WHERE id = ?2",
        [fixture.app.id, other.id],
    )
    .expect("swap");
    assert!(fixture.catalogue.app(fixture.app.id).await.is_ok());
    assert!(fixture.catalogue.app(other.id).await.is_err());
}

#[test]
fn processes_that_start_together_create_one_catalogue() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("catalogue.db");
    let start = Barrier::new(6);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                start.wait();
                open(&path);
            });
        }
    });
    open(&path);
}

#[tokio::test]
async fn two_instances_see_and_do_not_disturb_each_other() {
    let fixture = Fixture::new().await;
    let second = open(&fixture.database());
    let seen = second.app_by_key(&fixture.app.key).await.expect("read");
    assert_eq!(seen.expect("the other's app").secret.expose(), fixture.app.secret.expose());

    let own = second.create_app("videos", AppSettings::default()).await.expect("app");
    let names: Vec<_> = fixture.catalogue.apps().await.expect("apps").into_iter().map(|app| app.name).collect();
    assert_eq!(names, ["photos", "videos"]);

    let store = store_at(&second, &own, Location::S3).await;
    let mut commits = JoinSet::new();
    for number in 0..100 {
        let (first, second) = (fixture.catalogue.clone(), second.clone());
        let here = fixture.file(&format!("here-{number}"));
        let there = file(own.id, store, &format!("there-{number}"));
        commits.spawn(async move { first.commit_file(here, None).await });
        commits.spawn(async move { second.commit_file(there, None).await });
    }
    for outcome in commits.join_all().await {
        outcome.expect("both instances get their turn");
    }
}

#[tokio::test]
async fn waits_for_a_lock_of_another_process() {
    let fixture = Fixture::new().await;
    let other = rusqlite::Connection::open(fixture.database()).expect("raw connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("lock");
    let catalogue = fixture.catalogue.clone();
    let waiting = fixture.file("a");
    let handle = waiting.handle;
    let commit = tokio::spawn(async move { catalogue.commit_file(waiting, None).await });
    // Reading is possible meanwhile.
    fixture.catalogue.check().await.expect("check");
    assert_eq!(fixture.read(&handle).await, None);
    other.execute_batch("COMMIT").expect("unlock");
    commit.await.expect("task").expect("committed in the end");
}
