//! Uploads in parts: what has arrived is kept, and one upload is one file.

use stowage_catalogue::{CatalogueError, Claimant, UploadChange, UploadRow};

use crate::support::{Fixture, open};

fn upload(fixture: &Fixture, id: &str) -> UploadRow {
    UploadRow {
        id: id.to_owned(),
        app: fixture.app.id,
        store: fixture.store,
        plan: "{}".to_owned(),
        size: None,
        slot: None,
        at_provider: None,
        sniffed: None,
        object: None,
        handle: None,
        expires: 1_000,
        parts: Vec::new(),
    }
}

fn part(number: u32, content: &str) -> UploadChange {
    UploadChange { expires: 2_000, parts: vec![(number, content.to_owned())], ..UploadChange::default() }
}

#[tokio::test]
async fn what_has_arrived_is_there_after_a_restart() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    catalogue.create_upload(upload(&fixture, "u")).await.expect("create");
    catalogue.change_upload("u", part(2, "two")).await.expect("change");
    catalogue.change_upload("u", part(1, "one")).await.expect("change");
    catalogue.change_upload("u", part(2, "two again")).await.expect("change");
    let more = UploadChange {
        size: Some(7),
        slot: Some(5),
        at_provider: Some("id".to_owned()),
        sniffed: Some("image/png".to_owned()),
        object: Some("o".to_owned()),
        expires: 3_000,
        parts: Vec::new(),
    };
    catalogue.change_upload("u", more).await.expect("change");
    let expected = UploadRow {
        size: Some(7),
        slot: Some(5),
        at_provider: Some("id".to_owned()),
        sniffed: Some("image/png".to_owned()),
        object: Some("o".to_owned()),
        expires: 3_000,
        parts: vec![(1, "one".to_owned()), (2, "two again".to_owned())],
        ..upload(&fixture, "u")
    };
    let reopened = open(&fixture.database());
    assert_eq!(reopened.upload("u").await.expect("read"), Some(expected));
    assert_eq!(reopened.count_open_uploads(fixture.app.id).await.expect("count"), 1);
    assert_eq!(reopened.upload("v").await.expect("read"), None);
}

#[tokio::test]
async fn an_upload_becomes_one_file() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    catalogue.create_upload(upload(&fixture, "u")).await.expect("create");
    catalogue.change_upload("u", part(1, "one")).await.expect("change");
    let file = fixture.file("a");
    catalogue.complete_upload("u", file.clone(), None, 5_000).await.expect("complete");
    assert_eq!(fixture.read(&file.handle).await, Some(file.clone()));
    let ended = catalogue.upload("u").await.expect("read").expect("remembered");
    assert_eq!((ended.handle, ended.expires, ended.parts), (Some(file.handle), 5_000, Vec::new()));

    let again = catalogue.complete_upload("u", fixture.file("b"), None, 5_000).await;
    assert!(matches!(again, Err(CatalogueError::NotFound)), "{again:?}");
    let late = catalogue.change_upload("u", part(2, "two")).await;
    assert!(matches!(late, Err(CatalogueError::NotFound)), "{late:?}");
    assert_eq!(catalogue.count_open_uploads(fixture.app.id).await.expect("count"), 0);
    assert_eq!(catalogue.uploads_open(vec!["u".to_owned()]).await.expect("ask"), [false]);

    catalogue.delete_upload("u").await.expect("delete");
    assert_eq!(catalogue.upload("u").await.expect("read"), None);
    assert!(fixture.read(&file.handle).await.is_some(), "the file goes its own way");
}

#[tokio::test]
async fn a_file_that_cannot_be_committed_leaves_its_upload_open() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    catalogue.create_upload(upload(&fixture, "u")).await.expect("create");
    let taken = fixture.commit(fixture.file("a")).await;
    catalogue.complete_upload("u", taken, None, 5_000).await.expect_err("the handle is taken");
    assert_eq!(catalogue.uploads_open(vec!["u".to_owned()]).await.expect("ask"), [true]);
    let foreign = UploadRow { store: fixture.store + 1_000, ..upload(&fixture, "v") };
    let refused = catalogue.create_upload(foreign).await;
    assert!(matches!(refused, Err(CatalogueError::NotFound)), "{refused:?}");
}

#[tokio::test]
async fn the_oldest_expire_first_within_the_limit() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    for (id, expires) in [("late", 3_000), ("first", 1_000), ("second", 2_000)] {
        catalogue.create_upload(UploadRow { expires, ..upload(&fixture, id) }).await.expect("create");
    }
    let expired = async |now, limit| {
        let rows = catalogue.expired_uploads(now, limit).await.expect("expired");
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(expired(2_000, 9).await, ["first", "second"]);
    assert_eq!(expired(9_000, 1).await, ["first"]);
    assert!(expired(999, 9).await.is_empty());
}

#[tokio::test]
async fn an_object_of_an_open_upload_is_no_garbage_after_a_crash() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    catalogue.create_upload(upload(&fixture, "u")).await.expect("create");
    let object = UploadChange { object: Some("o".to_owned()), expires: 2_000, ..UploadChange::default() };
    catalogue.change_upload("u", object).await.expect("change");
    for object in ["o", "other"] {
        catalogue.add_intent(fixture.store, object, None).await.expect("intent");
    }
    catalogue.recover_intents(Claimant::Server).await.expect("recover");
    assert_eq!(fixture.garbage().await, [(fixture.store, "other".to_owned())]);
}
