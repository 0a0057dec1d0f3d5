//! The running server: what every request shares.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use quick_cache::{Weighter, sync::Cache};
use stowage_catalogue::{App, AppId, Catalogue, CatalogueError, FileRow};
use stowage_core::handle::{ApiKey, Handle};
use stowage_fetch::Fetcher;
use stowage_uploads::Uploads;
use tokio::sync::Notify;

use crate::{
    config::Config, object_locks::ObjectLocks, recent::Recent, stores::Stores, telemetry::Metrics,
    transform::Transformer,
};

/// How long a change made by another process (`stowage app set …`) may go unnoticed.
pub const SETTINGS_TTL: Duration = Duration::from_secs(1);

/// Memory for the contents of small files that are read often, bytes.
const SMALL_FILE_CACHE: u64 = 16 * 1024 * 1024;

/// About how many contents that will be.
const SMALL_FILES: usize = 1_000;

/// File rows remembered at once; one takes some 2 KiB with its headers.
const KNOWN_FILES: usize = 4_000;

/// Apps remembered at once.
const KNOWN_APPS: usize = 10_000;

/// Largest file kept in memory, bytes.
pub const SMALL_FILE: u64 = 32 * 1024;

/// Everything that requests share.
pub struct Server {
    /// Effective configuration.
    pub config: Config,
    /// The address that is listened on.
    pub address: SocketAddr,
    /// Apps, stores, files.
    pub catalogue: Catalogue,
    /// Drivers of the configured stores.
    pub stores: Stores,
    /// Uploads in parts.
    pub uploads: Uploads,
    /// One writer at a time for object names that can be written again.
    pub object_locks: ObjectLocks,
    /// Guarded outbound HTTP.
    pub fetcher: Fetcher,
    /// Work on pictures.
    pub transformer: Transformer,
    /// Figures for `/metrics`.
    pub metrics: Metrics,
    /// Contents of small files by their identity (`FileRow::etag`), so that no change of a row can make an entry wrong.
    pub small_files: Cache<[u8; 32], Bytes, ContentWeight>,
    apps_by_key: Recent<ApiKey, Arc<App>>,
    apps_by_id: Recent<AppId, Arc<App>>,
    files: Recent<Handle, Arc<KnownFile>>,
    /// Counts changes of file rows; see [`Server::file`].
    changes: AtomicU64,
    garbage: Notify,
    draining: AtomicBool,
}

/// A file row and the response headers that follow from it alone.
#[derive(Debug)]
pub struct KnownFile {
    /// The row.
    pub row: FileRow,
    /// Headers of every answer that carries its content.
    pub headers: HeaderMap,
}

/// The memory that a content takes, bytes, with some for its entry.
#[derive(Clone)]
pub struct ContentWeight;

impl Weighter<[u8; 32], Bytes> for ContentWeight {
    fn weight(&self, _: &[u8; 32], content: &Bytes) -> u64 {
        content.len() as u64 + 128
    }
}

impl Server {
    /// Puts the parts together.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn new(
        config: Config,
        address: SocketAddr,
        catalogue: Catalogue,
        stores: Stores,
        uploads: Uploads,
        fetcher: Fetcher,
        transformer: Transformer,
        metrics: Metrics,
    ) -> Self {
        Self {
            config,
            address,
            catalogue,
            stores,
            uploads,
            object_locks: ObjectLocks::default(),
            fetcher,
            transformer,
            metrics,
            small_files: Cache::with_weighter(SMALL_FILES, SMALL_FILE_CACHE, ContentWeight),
            apps_by_key: Recent::new(KNOWN_APPS, SETTINGS_TTL),
            apps_by_id: Recent::new(KNOWN_APPS, SETTINGS_TTL),
            files: Recent::new(KNOWN_FILES, SETTINGS_TTL),
            changes: AtomicU64::new(0),
            garbage: Notify::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// The app of a public key.
    pub async fn app_by_key(&self, key: &ApiKey) -> Result<Option<Arc<App>>, CatalogueError> {
        if let Some(app) = self.apps_by_key.get(key) {
            return Ok(Some(app));
        }
        let app = self.catalogue.app_by_key(key).await?.map(Arc::new);
        if let Some(app) = &app {
            self.apps_by_key.insert(key.clone(), app.clone());
        }
        Ok(app)
    }

    /// The app that owns a file.
    pub async fn app(&self, id: AppId) -> Result<Option<Arc<App>>, CatalogueError> {
        if let Some(app) = self.apps_by_id.get(&id) {
            return Ok(Some(app));
        }
        let app = self.catalogue.app(id).await?.map(Arc::new);
        if let Some(app) = &app {
            self.apps_by_id.insert(id, app.clone());
        }
        Ok(app)
    }

    /// A live file, from memory if it was asked for within the last second.
    pub async fn file(&self, handle: &Handle) -> Result<Option<Arc<KnownFile>>, CatalogueError> {
        if let Some(file) = self.files.get(handle) {
            return Ok(Some(file));
        }
        let before = self.changes.load(Ordering::Acquire);
        let Some(row) = self.catalogue.file(handle).await? else { return Ok(None) };
        let headers = crate::http::headers::of_file(&row);
        let file = Arc::new(KnownFile { row, headers });
        self.files.insert(*handle, file.clone());
        // A change that was committed between the look-up and the insert must not leave the old row behind.
        if self.changes.load(Ordering::Acquire) != before {
            self.files.forget(handle);
        }
        Ok(Some(file))
    }

    /// Forgets what is remembered of file rows; call after a change was committed and before it is acknowledged.
    /// All rows of an exact key change together, so all are forgotten.
    pub fn files_changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.files.forget_all();
    }

    /// As [`Server::files_changed`], where the change was to the content of one file: what was made of it goes as well.
    pub async fn content_changed(&self, handle: &Handle) {
        self.files_changed();
        self.transformer.forget(crate::transform::tag_of(&handle.to_string())).await;
    }

    /// Forgets one row whose content is the same but about which more is known now.
    pub fn file_changed(&self, handle: &Handle) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.files.forget(handle);
    }

    /// There is something to collect.
    pub fn wake_collector(&self) {
        self.garbage.notify_one();
    }

    /// Waits until there is something to collect, or for `at_most`.
    pub async fn collector_woken(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.garbage.notified()).await;
    }

    /// From now on `/readyz` tells load balancers to go elsewhere.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
