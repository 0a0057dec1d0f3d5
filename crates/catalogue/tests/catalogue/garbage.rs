//! Garbage and intents: nothing that is used or being written may be removed.

use stowage_catalogue::{CatalogueError, Claimant, FileRow, NewStore};

use crate::support::{Fixture, content};

#[tokio::test]
async fn garbage_comes_oldest_first_within_the_limit() {
    let fixture = Fixture::new().await;
    for name in ["a", "b", "c"] {
        let file = fixture.commit(fixture.file(name)).await;
        fixture.catalogue.delete_file(&file.handle, false).await.expect("delete");
    }
    let catalogue = &fixture.catalogue;
    let due = catalogue.due_garbage(0, 2).await.expect("garbage");
    let names: Vec<_> = due.iter().map(|garbage| garbage.object.as_str()).collect();
    assert_eq!(names, ["a", "b"]);

    catalogue.delay_garbage(due[0].id, 1_000).await.expect("delay");
    catalogue.finish_garbage(vec![due[1].id]).await.expect("finish");
    let names = |garbage: Vec<stowage_catalogue::Garbage>| -> Vec<String> {
        garbage.into_iter().map(|garbage| garbage.object).collect()
    };
    assert_eq!(names(catalogue.due_garbage(999, 9).await.expect("garbage")), ["c"]);
    assert_eq!(names(catalogue.due_garbage(1_000, 9).await.expect("garbage")), ["c", "a"]);
}

#[tokio::test]
async fn an_object_that_is_used_again_is_no_garbage() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    for reuse in ["commit", "replace"] {
        let file = fixture.commit(fixture.file("a")).await;
        catalogue.delete_file(&file.handle, false).await.expect("delete");
        assert_eq!(fixture.garbage().await.len(), 1);

        let handle = if reuse == "commit" {
            fixture.commit(fixture.file("a")).await.handle
        } else {
            let other = fixture.commit(fixture.file("b")).await;
            let replaced = catalogue.replace_content(&other, content("a"), None);
            replaced.await.expect("replace");
            catalogue.delete_file(&file.handle, false).await.expect("no such file");
            other.handle
        };
        let garbage = fixture.garbage().await;
        assert!(!garbage.contains(&(fixture.store, "a".to_owned())), "{reuse}");
        // Wanted by nobody but to be kept: it must not come back as garbage.
        catalogue.delete_file(&handle, true).await.expect("delete");
        assert_eq!(fixture.garbage().await, garbage);
    }
}

#[tokio::test]
async fn an_intent_shields_its_object() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    let old = fixture.commit(fixture.file("a")).await;
    catalogue.delete_file(&old.handle, false).await.expect("delete");
    let intent = catalogue.add_intent(fixture.store, "a", None).await.expect("intent");
    assert_eq!(fixture.garbage().await, []);

    // Another file of the key comes and goes while the object is being written.
    let other = fixture.commit(fixture.file("a")).await;
    catalogue.delete_file(&other.handle, false).await.expect("delete");
    assert_eq!(fixture.garbage().await, []);
    catalogue.drop_intent(intent).await.expect("abandon");
    assert_eq!(fixture.garbage().await, [(fixture.store, "a".to_owned())]);

    let refused = catalogue.add_intent(fixture.store + 100, "a", None).await;
    assert!(matches!(refused, Err(CatalogueError::NotFound)));
}

#[tokio::test]
async fn intents_left_by_a_crash_become_garbage_unless_their_object_is_used() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    let intend = |object: &'static str| catalogue.add_intent(fixture.store, object, None);

    let committed = intend("committed").await.expect("intent");
    let file = fixture.file("committed");
    catalogue.commit_file(file.clone(), Some(committed)).await.expect("commit");
    let replaced = intend("replaced").await.expect("intent");
    catalogue.replace_content(&file, content("replaced"), Some(replaced)).await.expect("replace");
    let abandoned = intend("abandoned").await.expect("intent");
    catalogue.drop_intent(abandoned).await.expect("drop");
    intend("replaced").await.expect("an overwrite that never finished");
    intend("lost").await.expect("an upload that never finished");
    intend("lost").await.expect("and its second attempt");

    catalogue.add_move_intent(fixture.store, "moving").await.expect("intent");

    assert_eq!(catalogue.recover_intents(Claimant::Server).await.expect("recover"), 1);
    let expected = ["committed", "lost", "moving"].map(|object| (fixture.store, object.to_owned()));
    assert_eq!(fixture.garbage().await, expected[..2]);
    assert_eq!(catalogue.recover_intents(Claimant::Server).await.expect("recover"), 0);
    assert_eq!(catalogue.recover_intents(Claimant::Mover).await.expect("recover"), 1);
    assert_eq!(fixture.garbage().await, expected);
}

#[tokio::test]
async fn local_objects_are_known_while_used_or_waiting_for_removal() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    let live = fixture.commit(fixture.file("live")).await;
    let deleted = fixture.commit(fixture.file("deleted")).await;
    catalogue.delete_file(&deleted.handle, false).await.expect("delete");
    let bucket = catalogue
        .put_store(fixture.app.id, NewStore { provider: "s3".to_owned(), ..NewStore::built_in(live.location) })
        .await
        .expect("store");
    let mut remote = fixture.file("remote");
    remote.store = bucket;
    fixture.commit(remote).await;

    let asked = ["stray", "live", "remote", "deleted"].map(str::to_owned);
    let known = catalogue.objects_known(&asked).expect("known");
    assert_eq!(known, [false, true, false, true]);
}

#[tokio::test]
async fn a_kept_object_is_known_and_never_due() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    let kept = fixture.commit(fixture.file("kept")).await;
    assert!(catalogue.delete_file(&kept.handle, true).await.expect("delete"));

    assert_eq!(catalogue.objects_known(&["kept".to_owned()]).expect("known"), [true]);
    assert_eq!(catalogue.due_garbage(i64::MAX - 1, 100).await.expect("garbage"), []);
}

#[tokio::test]
async fn garbage_that_is_written_again_is_no_longer_garbage() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    let file = fixture.commit(fixture.file("again")).await;
    catalogue.delete_file(&file.handle, false).await.expect("delete");
    let garbage = catalogue.due_garbage(0, 100).await.expect("garbage");
    let intent = catalogue.add_intent(fixture.store, "again", None).await.expect("intent");
    assert_eq!(catalogue.claim_garbage(garbage[0].id).await.expect("being written"), None);
    catalogue.commit_file(fixture.file("again"), Some(intent)).await.expect("commit");
    assert_eq!(catalogue.claim_garbage(garbage[0].id).await.expect("reclaimed"), None);
}

#[tokio::test]
async fn server_and_mover_exclude_each_other_until_they_are_done_or_dead() {
    let fixture = Fixture::new().await;
    let (catalogue, store) = (&fixture.catalogue, fixture.store);
    let claimed = |outcome: Result<i64, CatalogueError>| assert!(matches!(outcome, Err(CatalogueError::Claimed)));

    let upload = catalogue.add_intent(store, "a", None).await.expect("intent");
    claimed(catalogue.add_move_intent(store, "a").await);
    catalogue.add_intent(store, "a", None).await.expect("requests have locks of their own");
    catalogue.add_move_intent(store, "b").await.expect("another object");
    catalogue.commit_file(fixture.file("a"), Some(upload)).await.expect("commit");
    claimed(catalogue.add_move_intent(store, "a").await);
    catalogue.recover_intents(Claimant::Server).await.expect("the server is dead");
    let moving = catalogue.add_move_intent(store, "a").await.expect("intent");
    claimed(catalogue.add_intent(store, "a", None).await);
    claimed(catalogue.add_move_intent(store, "a").await);
    catalogue.drop_intent(moving).await.expect("drop");
    catalogue.add_intent(store, "a", None).await.expect("intent");
    catalogue.recover_intents(Claimant::Server).await.expect("the server is dead");

    catalogue.add_move_intent(store, "a").await.expect("intent");
    catalogue.recover_intents(Claimant::Mover).await.expect("the mover is dead");
    catalogue.add_intent(store, "a", None).await.expect("intent");
}

#[tokio::test]
async fn the_removal_of_garbage_is_a_claim_too() {
    let fixture = Fixture::new().await;
    let catalogue = &fixture.catalogue;
    let file = FileRow { region: Some("eu-west-1".to_owned()), ..fixture.file("a") };
    let file = fixture.commit(file).await;
    catalogue.delete_file(&file.handle, false).await.expect("delete");
    let garbage = catalogue.due_garbage(0, 9).await.expect("garbage").remove(0);
    assert_eq!(garbage.region.as_deref(), Some("eu-west-1"));

    let claim = catalogue.claim_garbage(garbage.id).await.expect("claim").expect("nobody else wants it");
    let moving = catalogue.add_move_intent(fixture.store, "a").await;
    assert!(matches!(moving, Err(CatalogueError::Claimed)));
    catalogue.drop_intent(claim).await.expect("the provider did not answer");
    assert_eq!(fixture.garbage().await.len(), 1);
    let claim = catalogue.claim_garbage(garbage.id).await.expect("claim").expect("nobody else wants it");
    catalogue.finish_claimed_garbage(garbage.id, claim).await.expect("removed");
    assert_eq!(fixture.garbage().await, []);
    catalogue.add_move_intent(fixture.store, "a").await.expect("free again");

    let lost = catalogue.add_intent(fixture.store, "b", Some("us-west-2")).await.expect("intent");
    catalogue.give_up_intent(lost, 0).await.expect("give up");
    catalogue.add_intent(fixture.store, "c", Some("us-west-2")).await.expect("intent");
    catalogue.recover_intents(Claimant::Server).await.expect("recover");
    let regions = catalogue.due_garbage(0, 9).await.expect("garbage").into_iter().map(|garbage| garbage.region);
    assert_eq!(regions.collect::<Vec<_>>(), [Some("us-west-2".to_owned()), Some("us-west-2".to_owned())]);
}
