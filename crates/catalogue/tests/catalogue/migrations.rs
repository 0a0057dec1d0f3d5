//! Databases of earlier versions.

use std::path::Path;

use rusqlite::Connection;
use stowage_catalogue::Claimant;
use stowage_core::handle::Handle;

use crate::support::{content, file, open};

/// The first schema with an app, its store, two files, an open intent and a piece of garbage.
fn first_version(path: &Path) {
    let old = Connection::open(path).expect("create");
    old.execute_batch(include_str!("../../migrations/0001_initial.sql")).expect("the first schema");
    old.execute_batch(
        "PRAGMA user_version = 1;
         INSERT INTO apps VALUES (1, 'photos', 'Akey', x'00', '{}', 1);
         INSERT INTO stores VALUES (1, 1, 'S3', 'S3', 'local', x'00', 1);
         INSERT INTO files VALUES
             ('aaaaaaaaaaaaaaaaaaaa', 1, 1, 'S3', 'bucket', 'docs/a.txt', 'object-a', 'a.txt', 'text/plain', 5, zeroblob(32),
              '{\"md5\":\"00ff\"}', '[3,4]', 10, 20, 2, 'https://example.org/a', '{\"album\":\"x\"}', 'public'),
             ('bbbbbbbbbbbbbbbbbbbb', 1, 1, 'S3', 'bucket', 'b.txt', 'object-b', 'b.txt', 'text/plain', 6,
              unhex('0707070707070707070707070707070707070707070707070707070707070707'),
              '{}', NULL, 30, 40, 1, NULL, '{}', 'private');
         INSERT INTO garbage VALUES (1, 1, 'object-c', 0);
         INSERT INTO intents VALUES (7, 1, 'object-d');",
    )
    .expect("rows");
}

#[tokio::test]
async fn a_database_of_the_first_version_keeps_what_it_holds() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("catalogue.db");
    first_version(&path);
    let catalogue = open(&path);
    let read = async |handle: &str| {
        let handle = Handle::parse(handle).expect("a handle");
        catalogue.file(&handle).await.expect("read").expect("the file is still there")
    };

    let first = read("aaaaaaaaaaaaaaaaaaaa").await;
    assert_eq!((first.key.as_str(), first.object.as_str(), first.size), ("docs/a.txt", "object-a", 5));
    assert_eq!((first.dimensions, first.uploaded, first.modified, first.version), (Some(Some((3, 4))), 10, 20, 2));
    assert_eq!((first.etag, first.sha256, first.region.as_deref()), ([0; 32], Some([0; 32]), None));
    assert_eq!((first.digests["md5"].as_str(), first.tags["album"].as_str()), ("00ff", "x"));
    assert_eq!((first.source_url.as_deref(), first.access.as_str()), (Some("https://example.org/a"), "public"));
    let second = read("bbbbbbbbbbbbbbbbbbbb").await;
    assert_eq!((second.etag, second.sha256, second.source_url), ([7; 32], Some([7; 32]), None));

    // And everything works on it as on a new one.
    catalogue.replace_content(&first, content("object-a2"), None).await.expect("replace");
    catalogue.commit_file(file(1, 1, "new"), None).await.expect("commit");
    assert_eq!(catalogue.recover_intents(Claimant::Server).await.expect("recover"), 1);
    let garbage = catalogue.due_garbage(0, 10).await.expect("garbage");
    let mut garbage: Vec<_> = garbage.into_iter().map(|garbage| (garbage.object, garbage.region)).collect();
    garbage.sort();
    assert_eq!(garbage, ["object-a", "object-c", "object-d"].map(|object| (object.to_owned(), None)));
    drop(open(&path));
}
