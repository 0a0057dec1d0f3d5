//! A catalogue in a temporary directory, and rows to put into it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use stowage_catalogue::{App, Catalogue, FileRow, MasterKey, NewContent, StoreId};
use stowage_core::{
    app::AppSettings,
    handle::Handle,
    location::{Access, Location},
};
use tempfile::TempDir;

pub(crate) fn master_key() -> MasterKey {
    MasterKey::parse(&"5a".repeat(32)).expect("a valid key")
}

pub(crate) fn open(file: &Path) -> Catalogue {
    Catalogue::open(file, master_key()).expect("open")
}

/// A catalogue with one app.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) catalogue: Catalogue,
    pub(crate) app: App,
    /// The app's built-in store.
    pub(crate) store: StoreId,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let catalogue = open(&directory.path().join("catalogue.db"));
        let app = catalogue.create_app("photos", AppSettings::default()).await.expect("app");
        let store = store_at(&catalogue, &app, Location::S3).await;
        Self { directory, catalogue, app, store }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("catalogue.db")
    }

    /// A new file of the app whose key and object are `name`.
    pub(crate) fn file(&self, name: &str) -> FileRow {
        file(self.app.id, self.store, name)
    }

    pub(crate) async fn commit(&self, file: FileRow) -> FileRow {
        self.catalogue.commit_file(file.clone(), None).await.expect("commit");
        file
    }

    pub(crate) async fn read(&self, handle: &Handle) -> Option<FileRow> {
        self.catalogue.file(handle).await.expect("read")
    }

    /// Stores and names of all due garbage.
    pub(crate) async fn garbage(&self) -> Vec<(StoreId, String)> {
        let garbage = self.catalogue.due_garbage(0, 100).await.expect("garbage");
        garbage.into_iter().map(|garbage| (garbage.store, garbage.object)).collect()
    }
}

pub(crate) async fn store_at(catalogue: &Catalogue, app: &App, location: Location) -> StoreId {
    let stores = catalogue.stores(app.id).await.expect("stores");
    let store = stores.iter().find(|store| store.location == Some(location));
    store.expect("a store of the location").id
}

pub(crate) fn file(app: i64, store: StoreId, name: &str) -> FileRow {
    FileRow {
        handle: new_handle(),
        app,
        store,
        location: Location::S3,
        container: "bucket".to_owned(),
        region: None,
        key: name.to_owned(),
        object: name.to_owned(),
        filename: "cat.jpg".to_owned(),
        mimetype: "image/jpeg".to_owned(),
        size: 5_000_000_000,
        etag: [7; 32],
        sha256: Some([7; 32]),
        digests: BTreeMap::from([("md5".to_owned(), "00ff".to_owned())]),
        dimensions: None,
        uploaded: 1_700_000_000_000,
        modified: 1_700_000_000_000,
        version: 1,
        source_url: Some("https://example.org/cat".to_owned()),
        alt: Some("a cat".to_owned()),
        access: Access::Private,
        tags: BTreeMap::from([("album".to_owned(), "köter & \"katzen\"".to_owned())]),
    }
}

pub(crate) fn content(object: &str) -> NewContent {
    NewContent {
        object: object.to_owned(),
        size: 3,
        etag: [9; 32],
        sha256: Some([9; 32]),
        digests: BTreeMap::new(),
        mimetype: None,
        modified: 1_800_000_000_000,
    }
}

/// Unique within a process and, by its id, between processes.
pub(crate) fn new_handle() -> Handle {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let text = format!("{:010}{number:010}", std::process::id());
    Handle::parse(&text).expect("20 digits")
}
