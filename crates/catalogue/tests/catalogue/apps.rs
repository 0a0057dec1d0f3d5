//! Apps and their stores.

use stowage_catalogue::{CatalogueError, NewStore};
use stowage_core::{app::AppSettings, location::Location};

use crate::support::{Fixture, store_at};

#[tokio::test]
async fn a_new_app_can_be_found_in_every_way() {
    let Fixture { catalogue, app, directory, .. } = Fixture::new().await;
    let by_key = catalogue.app_by_key(&app.key).await.expect("by key");
    let by_id = catalogue.app(app.id).await.expect("by id");
    let by_name = catalogue.find_app("photos").await.expect("by name");
    let by_key_text = catalogue.find_app(app.key.as_str()).await.expect("by text");
    for found in [by_key, by_id, by_name, by_key_text] {
        let found = found.expect("the app");
        assert_eq!((found.id, &found.name), (app.id, &app.name));
        assert_eq!(found.secret.expose(), app.secret.expose());
        assert_eq!(found.settings, AppSettings::default());
        assert_eq!(found.created, app.created);
    }
    assert!(catalogue.find_app("nobody").await.expect("find").is_none());
    drop(directory);
}

#[tokio::test]
async fn names_are_trimmed_unique_and_sane() {
    let Fixture { catalogue, directory, .. } = Fixture::new().await;
    let create = |name: String| {
        let catalogue = catalogue.clone();
        async move { catalogue.create_app(&name, AppSettings::default()).await }
    };
    let taken = create("  photos ".to_owned()).await.expect_err("taken");
    assert!(matches!(taken, CatalogueError::NameTaken(name) if name == "photos"));
    for bad in ["", "   ", "a\nb", "a\u{0}b", &"x".repeat(101)] {
        let refused = create(bad.to_owned()).await;
        assert!(matches!(refused, Err(CatalogueError::InvalidName(_))), "{bad:?}");
    }
    let longest = "ü".repeat(100);
    let created = create(format!(" {longest}\n")).await.expect("100 characters");
    assert_eq!(created.name, longest);
    drop(directory);
}

#[tokio::test]
async fn settings_and_secret_can_be_replaced() {
    let Fixture { catalogue, app, directory, .. } = Fixture::new().await;
    let settings = AppSettings {
        security: true,
        max_file_size: Some(42),
        allowed_locations: vec![Location::Gcs],
        ..AppSettings::default()
    };
    catalogue.set_app(app.id, settings.clone()).await.expect("set");
    let secret = catalogue.rotate_secret(app.id).await.expect("rotate");
    assert_ne!(secret.expose(), app.secret.expose());
    let now = catalogue.app(app.id).await.expect("read").expect("app");
    assert_eq!(now.settings, settings);
    assert_eq!(now.secret.expose(), secret.expose());

    let nobody = app.id + 1;
    let refused = catalogue.set_app(nobody, settings).await;
    assert!(matches!(refused, Err(CatalogueError::NotFound)));
    let refused = catalogue.rotate_secret(nobody).await.map(drop);
    assert!(matches!(refused, Err(CatalogueError::NotFound)));
    drop(directory);
}

#[tokio::test]
async fn a_new_app_has_its_built_in_stores() {
    let fixture = Fixture::new().await;
    let stores = fixture.catalogue.stores(fixture.app.id).await.expect("stores");
    let described: Vec<_> =
        stores.iter().map(|store| (store.name.as_str(), store.location, store.provider.as_str())).collect();
    assert_eq!(described, [("S3", Some(Location::S3), "local"), ("local", Some(Location::Local), "local")]);
    assert!(stores.iter().all(|store| store.config == serde_json::json!({})));
}

#[tokio::test]
async fn a_replaced_store_keeps_serving_its_files() {
    let fixture = Fixture::new().await;
    let (catalogue, app) = (&fixture.catalogue, fixture.app.id);
    let config = serde_json::json!({ "bucket": "b", "secret_key": "hush" });
    let store = NewStore {
        name: "S3".to_owned(),
        location: Some(Location::S3),
        provider: "s3".to_owned(),
        config: config.clone(),
    };
    let put = || catalogue.put_store(app, store.clone());
    let file = fixture.commit(fixture.file("a")).await;

    let replacement = put().await.expect("put");
    assert_ne!(replacement, fixture.store);
    assert_eq!(put().await.expect("the same again"), replacement);
    assert_eq!(store_at(catalogue, &fixture.app, Location::S3).await, replacement);
    let row = catalogue.store(replacement).await.expect("read").expect("row");
    assert_eq!((row.app, row.provider.as_str(), &row.config), (app, "s3", &config));
    assert!(!format!("{row:?}").contains("hush"));

    let old = catalogue.store(file.store).await.expect("read").expect("row");
    assert_eq!(old.provider, "local");
    assert_eq!(fixture.read(&file.handle).await, Some(file));
}

#[tokio::test]
async fn a_location_has_one_store_and_an_app_any_number() {
    let fixture = Fixture::new().await;
    let (catalogue, app) = (&fixture.catalogue, fixture.app.id);
    let archive = |location| NewStore {
        name: "archive".to_owned(),
        location,
        provider: "s3".to_owned(),
        config: serde_json::json!({ "bucket": "b" }),
    };
    let id = catalogue.put_store(app, archive(None)).await.expect("a store without a location");
    assert_eq!(store_at(catalogue, &fixture.app, Location::S3).await, fixture.store);

    assert_eq!(catalogue.put_store(app, archive(Some(Location::S3))).await.expect("the same, for S3"), id);
    assert_eq!(store_at(catalogue, &fixture.app, Location::S3).await, id);
    let stores = catalogue.stores(app).await.expect("stores");
    let former = stores.iter().find(|store| store.id == fixture.store).expect("the former one goes on");
    assert_eq!((former.name.as_str(), former.location), ("S3", None));

    for name in ["", "..", "a/b", "a b", "ü"] {
        let store = NewStore { name: name.to_owned(), ..archive(None) };
        let refused = catalogue.put_store(app, store).await;
        assert!(matches!(refused, Err(CatalogueError::InvalidName(_))), "{name}");
    }
}

#[tokio::test]
async fn a_store_is_reconfigured_in_place() {
    let fixture = Fixture::new().await;
    let config = serde_json::json!({ "bucket": "b", "secret_key": "new" });
    fixture.catalogue.reconfigure_store(fixture.store, config.clone()).await.expect("reconfigure");
    let row = fixture.catalogue.store(fixture.store).await.expect("read").expect("row");
    assert_eq!(row.config, config);
    let refused = fixture.catalogue.reconfigure_store(999, config).await;
    assert!(matches!(refused, Err(CatalogueError::NotFound)));
}

#[tokio::test]
async fn a_removed_store_is_gone_for_new_files() {
    let fixture = Fixture::new().await;
    let remove = || fixture.catalogue.remove_store(fixture.app.id, "S3");
    assert!(remove().await.expect("remove"));
    assert!(!remove().await.expect("remove again"));
    let stores = fixture.catalogue.stores(fixture.app.id).await.expect("stores");
    assert_eq!(stores.len(), 1);
    let refused = fixture.catalogue.put_store(fixture.app.id + 1, NewStore::built_in(Location::S3)).await;
    assert!(matches!(refused, Err(CatalogueError::NotFound)));
}

#[tokio::test]
async fn an_app_with_files_is_deleted_only_by_force() {
    let fixture = Fixture::new().await;
    let (catalogue, app) = (&fixture.catalogue, fixture.app.id);
    let first = fixture.commit(fixture.file("a")).await;
    fixture.commit(fixture.file("b")).await;

    let refused = catalogue.delete_app(app, false).await;
    assert!(matches!(refused, Err(CatalogueError::NotEmpty(2))));
    assert!(fixture.read(&first.handle).await.is_some());

    catalogue.delete_app(app, true).await.expect("forced");
    assert!(catalogue.app_by_key(&fixture.app.key).await.expect("read").is_none());
    assert_eq!(fixture.read(&first.handle).await, None);
    let again = catalogue.delete_app(app, true).await;
    assert!(matches!(again, Err(CatalogueError::NotFound)));
    let late = catalogue.commit_file(fixture.file("late"), None).await;
    assert!(matches!(late, Err(CatalogueError::NotFound)));

    // The store stays for as long as its objects have to be removed.
    let garbage = catalogue.due_garbage(0, 10).await.expect("garbage");
    assert_eq!(garbage.len(), 2);
    assert!(catalogue.store(fixture.store).await.expect("read").is_some());
    let ids = garbage.iter().map(|garbage| garbage.id).collect();
    catalogue.finish_garbage(ids).await.expect("finish");
    assert!(catalogue.store(fixture.store).await.expect("read").is_none());
}

#[tokio::test]
async fn apps_do_not_reach_each_others_stores() {
    let fixture = Fixture::new().await;
    let other = fixture.catalogue.create_app("other", AppSettings::default()).await.expect("app");
    let mut file = fixture.file("a");
    file.app = other.id;
    let refused = fixture.catalogue.commit_file(file, None).await;
    assert!(matches!(refused, Err(CatalogueError::NotFound)));
}
