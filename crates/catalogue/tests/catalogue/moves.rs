//! Moves: a file is switched to its copy only while everything is as it was when it was copied.

use stowage_catalogue::{Claimant, FileMove, FileRow, MoveOutcome, NewStore, OldObject, StoreId, StoreUsage};
use stowage_core::location::Location;

use crate::support::{Fixture, content};

async fn second_store(fixture: &Fixture) -> StoreId {
    let store = NewStore { name: "archive".to_owned(), location: None, ..NewStore::built_in(Location::Azure) };
    fixture.catalogue.put_store(fixture.app.id, store).await.expect("store")
}

fn to(store: StoreId, file: &FileRow) -> FileMove {
    FileMove {
        file: file.clone(),
        store,
        location: Some(Location::Azure),
        container: "elsewhere".to_owned(),
        intent: None,
        old_object: OldObject::RemoveAt(500),
    }
}

/// Stores and objects of garbage that is due at a time.
async fn due(fixture: &Fixture, now: i64) -> Vec<(StoreId, String)> {
    let garbage = fixture.catalogue.due_garbage(now, 100).await.expect("garbage");
    garbage.into_iter().map(|garbage| (garbage.store, garbage.object)).collect()
}

#[tokio::test]
async fn all_files_of_a_key_move_together_and_keep_what_they_are() {
    let fixture = Fixture::new().await;
    let (catalogue, archive) = (&fixture.catalogue, second_store(&fixture).await);
    let first = fixture.commit(fixture.file("docs/a")).await;
    let second = fixture.commit(fixture.file("docs/a")).await;
    let first = fixture.read(&first.handle).await.expect("row");
    let intent = catalogue.add_move_intent(archive, "copy").await.expect("intent");
    let wanted = FileMove { intent: Some(intent), ..to(archive, &first) };
    assert_eq!(catalogue.check_move(&wanted).await.expect("check"), MoveOutcome::Done { files: 2 });
    assert_eq!(fixture.read(&first.handle).await, Some(first.clone()), "a check changes nothing");

    assert_eq!(catalogue.move_file(wanted, "copy").await.expect("move"), MoveOutcome::Done { files: 2 });
    for before in [first, second] {
        let moved = FileRow {
            store: archive,
            location: Location::Azure,
            container: "elsewhere".to_owned(),
            object: "copy".to_owned(),
            ..before
        };
        assert_eq!(fixture.read(&moved.handle).await, Some(moved));
    }
    assert_eq!(due(&fixture, 499).await, [], "readers of the old object have time");
    assert_eq!(due(&fixture, 500).await, [(fixture.store, "docs/a".to_owned())]);
    assert_eq!(catalogue.recover_intents(Claimant::Mover).await.expect("recover"), 0, "the intent is redeemed");
}

#[tokio::test]
async fn the_original_may_be_kept() {
    let fixture = Fixture::new().await;
    let archive = second_store(&fixture).await;
    let file = fixture.commit(fixture.file("a")).await;
    let wanted = FileMove { old_object: OldObject::Keep, location: None, ..to(archive, &file) };
    fixture.catalogue.move_file(wanted, "copy").await.expect("move");
    assert_eq!(due(&fixture, i64::MAX - 1).await, []);
    assert_eq!(fixture.catalogue.objects_known(&["a".to_owned()]).expect("known"), [true]);
    assert_eq!(fixture.read(&file.handle).await.expect("row").location, file.location);
}

#[tokio::test]
async fn what_changed_since_it_was_copied_is_not_switched() {
    let fixture = Fixture::new().await;
    let (catalogue, archive) = (&fixture.catalogue, second_store(&fixture).await);
    let refused = async |wanted: FileMove| {
        let before = fixture.read(&wanted.file.handle).await;
        assert_eq!(catalogue.check_move(&wanted).await.expect("check"), MoveOutcome::Changed);
        let outcome = catalogue.move_file(wanted.clone(), "copy").await.expect("answer");
        assert_eq!(outcome, MoveOutcome::Changed);
        assert_eq!(fixture.read(&wanted.file.handle).await, before);
    };
    let overwritten = fixture.commit(fixture.file("overwritten")).await;
    catalogue.replace_content(&overwritten, content("new"), None).await.expect("replace");
    refused(to(archive, &overwritten)).await;

    let in_place = fixture.commit(fixture.file("in place")).await;
    catalogue.replace_content(&in_place, content("in place"), None).await.expect("replace");
    refused(to(archive, &in_place)).await;

    let deleted = fixture.commit(fixture.file("deleted")).await;
    catalogue.delete_file(&deleted.handle, false).await.expect("delete");
    refused(to(archive, &deleted)).await;

    let moved = fixture.commit(fixture.file("moved")).await;
    catalogue.move_file(to(archive, &moved), "moved").await.expect("move");
    refused(to(archive, &moved)).await;

    // A server that was started meanwhile took the copy for a left-over.
    let unprotected = fixture.commit(fixture.file("unprotected")).await;
    let intent = catalogue.add_move_intent(archive, "copy").await.expect("intent");
    catalogue.recover_intents(Claimant::Mover).await.expect("recover");
    refused(FileMove { intent: Some(intent), ..to(archive, &unprotected) }).await;
}

#[tokio::test]
async fn a_key_that_others_have_is_left_to_them() {
    let fixture = Fixture::new().await;
    let (catalogue, archive) = (&fixture.catalogue, second_store(&fixture).await);
    let file = fixture.commit(fixture.file("a")).await;
    let own = catalogue.add_move_intent(archive, "a").await.expect("intent");
    let wanted = FileMove { intent: Some(own), ..to(archive, &file) };
    assert_eq!(catalogue.check_move(&wanted).await.expect("check"), MoveOutcome::Done { files: 1 });
    let uploaded = FileRow { store: archive, container: "elsewhere".to_owned(), ..fixture.file("a") };
    catalogue.commit_file(uploaded.clone(), None).await.expect("commit");
    assert_eq!(catalogue.move_file(wanted, "a").await.expect("answer"), MoveOutcome::Taken);
    assert_eq!(fixture.read(&file.handle).await, Some(file));
    // The object belongs to the upload now.
    catalogue.give_up_intent(own, 500).await.expect("give up");
    assert_eq!(due(&fixture, i64::MAX - 1).await, []);
    assert_eq!(fixture.read(&uploaded.handle).await, Some(uploaded));
}

#[tokio::test]
async fn a_copy_that_was_given_up_is_garbage() {
    let fixture = Fixture::new().await;
    let intent = fixture.catalogue.add_intent(fixture.store, "copy", None).await.expect("intent");
    fixture.catalogue.give_up_intent(intent, 500).await.expect("give up");
    assert_eq!(due(&fixture, 499).await, [], "another attempt may be about to write it");
    assert_eq!(due(&fixture, 500).await, [(fixture.store, "copy".to_owned())]);
    fixture.catalogue.give_up_intent(intent, 500).await.expect("twice does no harm");
}

#[tokio::test]
async fn content_written_to_the_old_store_brings_its_file_back() {
    let fixture = Fixture::new().await;
    let (catalogue, archive) = (&fixture.catalogue, second_store(&fixture).await);
    let seen = fixture.commit(fixture.file("a")).await;
    let intent = catalogue.add_intent(fixture.store, "a", None).await.expect("the upload has begun");
    catalogue.move_file(to(archive, &seen), "copy").await.expect("move");
    let row = catalogue.replace_content(&seen, content("a"), Some(intent)).await.expect("the upload ends");
    assert_eq!((row.store, row.location, row.container), (seen.store, seen.location, seen.container.clone()));
    assert_eq!((row.object.as_str(), row.etag, row.version), ("a", [9; 32], 2));
    assert_eq!(due(&fixture, i64::MAX - 1).await, [(archive, "copy".to_owned())]);
}

#[tokio::test]
async fn pages_and_sums_are_those_of_one_store() {
    let fixture = Fixture::new().await;
    let (catalogue, archive) = (&fixture.catalogue, second_store(&fixture).await);
    let mut handles = Vec::new();
    for name in ["a", "b", "c"] {
        handles.push(fixture.commit(fixture.file(name)).await.handle);
        fixture.commit(FileRow { store: archive, ..fixture.file(name) }).await;
    }
    handles.sort_by_key(|handle| handle.as_str().to_owned());
    let page = async |after| {
        let files = catalogue.files_of_store(fixture.store, after, 2).await.expect("page");
        files.into_iter().map(|file| file.handle).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, handles[..2]);
    assert_eq!(page(Some(handles[1])).await, handles[2..]);
    assert_eq!(page(Some(handles[2])).await, []);
    let expected = StoreUsage { files: 3, bytes: 15_000_000_000 };
    assert_eq!(catalogue.store_usage(fixture.store).await.expect("usage"), expected);
    assert_eq!(catalogue.store_usage(fixture.store + 100).await.expect("usage"), StoreUsage::default());
}

#[tokio::test]
async fn a_replaced_store_is_still_found_by_its_name() {
    let fixture = Fixture::new().await;
    let bucket = NewStore { provider: "s3".to_owned(), ..NewStore::built_in(Location::S3) };
    let bucket = fixture.catalogue.put_store(fixture.app.id, bucket).await.expect("store");
    let stores = fixture.catalogue.stores_ever_named(fixture.app.id, "S3").await.expect("stores");
    assert_eq!(stores.iter().map(|store| store.id).collect::<Vec<_>>(), [fixture.store, bucket]);
    assert!(fixture.catalogue.stores_ever_named(fixture.app.id, "none").await.expect("stores").is_empty());
}
