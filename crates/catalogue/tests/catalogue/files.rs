//! Files: storing, overwriting, deleting, remembering.

use std::collections::BTreeMap;

use stowage_catalogue::{CatalogueError, Derived, FileRow};
use stowage_core::location::Location;

use crate::support::{Fixture, content, new_handle, store_at};

#[tokio::test]
async fn a_committed_file_reads_back_whole() {
    let fixture = Fixture::new().await;
    let plain = fixture.commit(fixture.file("a")).await;
    let probed = FileRow { dimensions: Some(Some((640, 480))), source_url: None, ..fixture.file("b") };
    let probed = fixture.commit(probed).await;
    let no_image = FileRow { dimensions: Some(None), ..fixture.file("c") };
    let no_image = fixture.commit(no_image).await;
    for file in [plain, probed, no_image] {
        assert_eq!(fixture.read(&file.handle).await, Some(file));
    }
    assert_eq!(fixture.read(&new_handle()).await, None);
}

#[tokio::test]
async fn an_exact_key_overwrites_older_files_of_the_key() {
    let fixture = Fixture::new().await;
    let old = FileRow { object: "object-1".to_owned(), dimensions: Some(Some((1, 1))), ..fixture.file("docs/a.txt") };
    let old = fixture.commit(old).await;
    let elsewhere =
        FileRow { container: "another bucket".to_owned(), object: "object-2".to_owned(), ..fixture.file("docs/a.txt") };
    let elsewhere = fixture.commit(elsewhere).await;
    let new = FileRow {
        object: "object-3".to_owned(),
        size: 11,
        etag: [1; 32],
        sha256: None,
        region: Some("eu-west-1".to_owned()),
        mimetype: "text/plain".to_owned(),
        digests: BTreeMap::new(),
        modified: 1_900_000_000_000,
        ..fixture.file("docs/a.txt")
    };
    let new = fixture.commit(new).await;

    let overwritten = FileRow {
        object: new.object.clone(),
        size: new.size,
        etag: new.etag,
        sha256: new.sha256,
        region: new.region.clone(),
        mimetype: new.mimetype.clone(),
        digests: new.digests.clone(),
        modified: new.modified,
        dimensions: None,
        version: 2,
        ..old
    };
    assert_eq!(fixture.read(&overwritten.handle).await, Some(overwritten));
    assert_eq!(fixture.read(&elsewhere.handle).await, Some(elsewhere));
    assert_eq!(fixture.read(&new.handle).await, Some(new));
    assert_eq!(fixture.garbage().await, [(fixture.store, "object-1".to_owned())]);
}

#[tokio::test]
async fn the_same_key_in_another_store_is_another_file() {
    let fixture = Fixture::new().await;
    let first = fixture.commit(fixture.file("a")).await;
    let second = FileRow {
        store: store_at(&fixture.catalogue, &fixture.app, Location::Local).await,
        object: "b".to_owned(),
        ..fixture.file("a")
    };
    fixture.commit(second).await;
    assert_eq!(fixture.read(&first.handle).await, Some(first));
    assert_eq!(fixture.garbage().await, []);
}

#[tokio::test]
async fn an_overwrite_in_place_makes_no_garbage() {
    let fixture = Fixture::new().await;
    let old = fixture.commit(fixture.file("a")).await;
    fixture.commit(fixture.file("a")).await;
    assert_eq!(fixture.read(&old.handle).await.expect("row").version, 2);
    assert_eq!(fixture.garbage().await, []);
}

#[tokio::test]
async fn replacing_content_changes_every_file_of_the_key() {
    let fixture = Fixture::new().await;
    let first = fixture.commit(fixture.file("a")).await;
    let second = fixture.commit(fixture.file("a")).await;
    let row = fixture.catalogue.replace_content(&first, content("new"), None).await.expect("replace");
    let expected = FileRow {
        object: "new".to_owned(),
        size: 3,
        etag: [9; 32],
        sha256: Some([9; 32]),
        digests: BTreeMap::new(),
        modified: 1_800_000_000_000,
        version: 3,
        ..first
    };
    assert_eq!(row, expected);
    assert_eq!(fixture.read(&row.handle).await, Some(row));
    let second = fixture.read(&second.handle).await.expect("row");
    assert_eq!((second.object.as_str(), second.version), ("new", 2));
    assert_eq!(fixture.garbage().await, [(fixture.store, "a".to_owned())]);
}

#[tokio::test]
async fn replacing_content_may_change_the_type_but_not_a_deleted_file() {
    let fixture = Fixture::new().await;
    let file = fixture.commit(fixture.file("a")).await;
    let mut typed = content("b");
    typed.mimetype = Some("text/css".to_owned());
    let replace = |content| fixture.catalogue.replace_content(&file, content, None);
    assert_eq!(replace(typed).await.expect("replace").mimetype, "text/css");
    fixture.catalogue.delete_file(&file.handle, false).await.expect("delete");
    let late = replace(content("c")).await;
    assert!(matches!(late, Err(CatalogueError::NotFound)));
}

#[tokio::test]
async fn deleting_forgets_the_handle_and_discards_the_object() {
    let fixture = Fixture::new().await;
    let file = fixture.commit(fixture.file("a")).await;
    let delete = || fixture.catalogue.delete_file(&file.handle, false);
    assert!(delete().await.expect("delete"));
    assert!(!delete().await.expect("delete again"));
    assert_eq!(fixture.read(&file.handle).await, None);
    assert_eq!(fixture.garbage().await, [(fixture.store, "a".to_owned())]);
}

#[tokio::test]
async fn deleting_spares_an_object_that_is_wanted_or_used() {
    let fixture = Fixture::new().await;
    let kept = fixture.commit(fixture.file("kept")).await;
    assert!(fixture.catalogue.delete_file(&kept.handle, true).await.expect("delete"));

    let first = fixture.commit(fixture.file("shared")).await;
    let second = fixture.commit(fixture.file("shared")).await;
    assert!(fixture.catalogue.delete_file(&first.handle, false).await.expect("delete"));
    assert_eq!(fixture.garbage().await, []);
    assert!(fixture.catalogue.delete_file(&second.handle, false).await.expect("delete"));
    assert_eq!(fixture.garbage().await, [(fixture.store, "shared".to_owned())]);
}

#[tokio::test]
async fn remembered_facts_add_up_and_belong_to_a_version() {
    let fixture = Fixture::new().await;
    let file = fixture.commit(FileRow { sha256: None, ..fixture.file("a") }).await;
    let remember = |version, name: &str, sha256, dimensions| {
        let digests = BTreeMap::from([(name.to_owned(), "aa".to_owned())]);
        fixture.catalogue.remember(&file.handle, version, Derived { sha256, digests, dimensions })
    };
    remember(1, "sha1", Some([5; 32]), Some(Some((3, 4)))).await.expect("remember");
    remember(1, "sha512", None, None).await.expect("remember");
    remember(2, "crc32", Some([6; 32]), Some(None)).await.expect("another version");
    let row = fixture.read(&file.handle).await.expect("row");
    assert_eq!((row.sha256, row.etag), (Some([5; 32]), [7; 32]));
    assert_eq!(row.dimensions, Some(Some((3, 4))));
    let names: Vec<_> = row.digests.keys().map(String::as_str).collect();
    assert_eq!(names, ["md5", "sha1", "sha512"]);
    assert_eq!(row.version, 1);
}
