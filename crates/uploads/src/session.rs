//! One upload while somebody works on it.
//!
//! Writers run in tasks of their own, so that a client that hangs up leaves no reservation behind; whatever they acknowledge is
//! durable in the staging file (or at the provider) and in the catalogue.

mod append;
mod direct;
mod parts;
pub(crate) mod ship;
mod sniffed;

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use stowage_catalogue::{AppId, Catalogue, CatalogueError, StoreId, UploadChange, UploadRow};
use stowage_core::handle::Handle;
use stowage_store::{BlobStore, StoreError, parts::PartUpload};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio_util::sync::CancellationToken;

pub use append::Append;
use append::Newest;
pub use parts::PartBody;
pub(crate) use parts::spawned;
use ship::Turns;

use crate::{
    error::{Result, UploadError},
    layout::{Layout, Part, Reserved},
    plan::{Plan, UploadId},
    staging::{StagingDirectory, StagingFile},
};

/// Bytes on their way in; an error in them is handed back as it came.
pub type Content = BoxStream<'static, std::result::Result<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

/// Bytes of a regular part unless the client's parts say otherwise (spec 03 §1, FII).
pub(crate) const REGULAR_PART: u64 = 8 << 20;

/// Part numbers run from 1 to this (spec 03 §8).
pub const MOST_PARTS: u32 = 10_000;

/// What is known of an upload at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Announced bytes in all.
    pub size: Option<u64>,
    /// Bytes that have arrived from the first one on without a hole: where appending goes on.
    pub offset: u64,
    /// Bytes that have arrived in all.
    pub received: u64,
    /// The file that came of it.
    pub handle: Option<Handle>,
    /// When it is forgotten if nothing more comes, unix milliseconds.
    pub expires: i64,
}

/// One upload.
pub struct Session {
    id: UploadId,
    plan: Plan,
    app: AppId,
    store: StoreId,
    catalogue: Catalogue,
    directory: Arc<StagingDirectory>,
    lifetime: Duration,
    /// Held while a change is made durable, so that changes reach the catalogue in the order in which they were made.
    state: AsyncMutex<State>,
    /// Writers hold it for reading, completion and abort for writing.
    gate: Arc<RwLock<()>>,
    /// Stops the writers of the moment.
    stop: Mutex<CancellationToken>,
    /// One writer appends at a time; a newer one stops the older.
    appending: AsyncMutex<()>,
    newest: Mutex<Newest>,
    turns: Turns,
    /// One completion at a time.
    pub(crate) finishing: AsyncMutex<()>,
    /// The catalogue refused a change: what is in memory may be ahead of it.
    broken: AtomicBool,
    last_used: Mutex<Instant>,
}

pub(crate) struct State {
    pub(crate) size: Option<u64>,
    pub(crate) layout: Layout,
    pub(crate) at_provider: Option<PartUpload>,
    /// What the first bytes look like; empty: nothing known.
    pub(crate) sniffed: Option<String>,
    /// The object that the provider was asked to put together.
    pub(crate) object: Option<String>,
    pub(crate) ended: Option<Ended>,
    file: Option<Arc<StagingFile>>,
    pub(crate) expires: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Complete(Handle),
    Aborted,
}

impl State {
    /// The file that came of it; an error if there can be none any more.
    pub(crate) fn completed(&self) -> Result<Option<Handle>> {
        match self.ended {
            None => Ok(None),
            Some(Ended::Complete(handle)) => Ok(Some(handle)),
            Some(Ended::Aborted) => Err(UploadError::NotFound),
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match self.completed()? {
            None => Ok(()),
            Some(_) => Err(UploadError::Complete),
        }
    }
}

/// A change to one part and to what is known of the upload, to be made durable.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) parts: Vec<u32>,
    pub(crate) size: bool,
    pub(crate) at_provider: bool,
    pub(crate) sniffed: bool,
    pub(crate) object: bool,
    /// Ranges of the staging file that nobody needs once the change is durable.
    pub(crate) freed: Vec<Range<u64>>,
}

impl Session {
    pub(crate) fn restore(
        row: UploadRow,
        plan: Plan,
        catalogue: Catalogue,
        directory: Arc<StagingDirectory>,
        lifetime: Duration,
    ) -> Result<Self> {
        let read = |(number, text): (u32, String)| Ok((number, serde_json::from_str::<Part>(&text).map_err(broken)?));
        let parts = row.parts.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        let state = State {
            size: row.size,
            layout: Layout::restore(row.slot, parts),
            at_provider: row.at_provider.map(PartUpload::from_catalogue),
            sniffed: row.sniffed,
            object: row.object,
            ended: row.handle.map(Ended::Complete),
            file: None,
            expires: row.expires,
        };
        Ok(Self {
            id: UploadId::parse(&row.id)?,
            plan,
            app: row.app,
            store: row.store,
            catalogue,
            directory,
            lifetime,
            state: AsyncMutex::new(state),
            gate: Arc::default(),
            stop: Mutex::default(),
            appending: AsyncMutex::default(),
            newest: Mutex::default(),
            turns: Turns::default(),
            finishing: AsyncMutex::default(),
            broken: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
        })
    }

    /// Its id.
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// What was promised when it began.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Owner.
    pub fn app(&self) -> AppId {
        self.app
    }

    /// The store that the file goes to.
    pub fn store(&self) -> StoreId {
        self.store
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(crate) fn directory(&self) -> &Arc<StagingDirectory> {
        &self.directory
    }

    /// How far it is.
    pub async fn progress(&self) -> Result<Progress> {
        let state = self.lock().await;
        let handle = state.completed()?;
        let (offset, received) = match handle {
            // The parts are forgotten with the end; all of them had arrived.
            Some(_) => (state.size.unwrap_or(0), state.size.unwrap_or(0)),
            None => (state.layout.prefix(), state.layout.total()),
        };
        Ok(Progress { size: state.size, offset, received, handle, expires: state.expires })
    }

    /// Settles the length of the whole upload, if nobody has yet; naming the same length again is harmless.
    pub async fn set_size(&self, size: u64) -> Result<()> {
        if size > self.plan.maximum {
            return Err(UploadError::TooLarge { limit: self.plan.maximum });
        }
        let mut state = self.lock().await;
        if state.size == Some(size) {
            return Ok(());
        }
        state.check_open()?;
        if state.size.is_some() || size < state.layout.total() {
            return Err(UploadError::LengthSettled);
        }
        state.size = Some(size);
        self.record(&mut state, Change { size: true, ..Change::default() }).await
    }

    /// It is forgotten soon: what it held is part of a file now.
    pub async fn retire(&self, after: Duration) -> Result<()> {
        let mut state = self.lock().await;
        state.check_open()?;
        let expires = unix_millis() + i64::try_from(after.as_millis()).unwrap_or(i64::MAX / 2);
        if expires < state.expires {
            let change = UploadChange { expires, ..UploadChange::default() };
            self.catalogue.change_upload(self.id.as_str(), change).await?;
            state.expires = expires;
        }
        Ok(())
    }

    pub(crate) async fn lock(&self) -> MutexGuard<'_, State> {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.state.lock().await
    }

    /// Makes a change that was made in memory durable. If that fails, this session is void and the next request reads the catalogue.
    pub(crate) async fn record(&self, state: &mut State, change: Change) -> Result<()> {
        let recorded = self.try_record(state, &change).await;
        if recorded.is_err() {
            self.mark_broken();
            return recorded;
        }
        if let Some(file) = state.file.clone().filter(|_| !change.freed.is_empty()) {
            let freed = change.freed;
            let _ = tokio::task::spawn_blocking(move || file.punch(&freed)).await;
        }
        Ok(())
    }

    async fn try_record(&self, state: &mut State, change: &Change) -> Result<()> {
        if self.broken.load(Ordering::Acquire) {
            return Err(UploadError::Superseded);
        }
        let expires = self.expiry();
        let text = |number: &u32| {
            let part = state.layout.part(*number)?;
            Some(serde_json::to_string(part).map(|text| (*number, text)).map_err(broken))
        };
        let recorded = UploadChange {
            size: state.size.filter(|_| change.size),
            // Also when the write that told it has failed: whoever wrote since has counted on it.
            slot: state.layout.slot(),
            at_provider: state.at_provider.as_ref().filter(|_| change.at_provider).map(|name| name.as_str().to_owned()),
            sniffed: state.sniffed.clone().filter(|_| change.sniffed),
            object: state.object.clone().filter(|_| change.object),
            expires,
            parts: change.parts.iter().filter_map(text).collect::<Result<_>>()?,
        };
        self.catalogue.change_upload(self.id.as_str(), recorded).await?;
        state.expires = expires;
        Ok(())
    }

    pub(crate) fn expiry(&self) -> i64 {
        unix_millis() + i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX / 2)
    }

    pub(crate) async fn file(&self, state: &mut State) -> Result<Arc<StagingFile>> {
        if let Some(file) = state.file.as_ref().filter(|file| !file.has_failed()) {
            return Ok(file.clone());
        }
        let (directory, id) = (self.directory.clone(), self.id.clone());
        let opened = tokio::task::spawn_blocking(move || directory.open_file(&id)).await;
        let file = Arc::new(opened.map_err(std::io::Error::other)??);
        state.file = Some(file.clone());
        Ok(file)
    }

    /// Gives up a reservation of a writer that failed.
    pub(crate) async fn release(&self, reserved: &Reserved) {
        let mut state = self.lock().await;
        let freed = state.layout.release(reserved, 0);
        if let Some(file) = state.file.clone() {
            let _ = tokio::task::spawn_blocking(move || file.punch(&[freed])).await;
        }
    }

    /// Lets a writer in: its permit, and what tells it to stop.
    async fn enter(&self, driver: &dyn BlobStore) -> Result<(OwnedRwLockReadGuard<()>, CancellationToken)> {
        let permit = self.gate.clone().read_owned().await;
        if self.broken.load(Ordering::Acquire) {
            return Err(UploadError::Superseded);
        }
        self.check_not_put_together(driver).await?;
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((permit, stop))
    }

    /// The provider may have put the object together for a completion whose end was lost: what came now would be in no file.
    async fn check_not_put_together(&self, driver: &dyn BlobStore) -> Result<()> {
        let asked_for = {
            let state = self.lock().await;
            state.at_provider.clone().filter(|_| state.object.is_some())
        };
        let (Some(parts), Some(upload)) = (driver.parts(), asked_for) else { return Ok(()) };
        match parts.list(&upload).await {
            Ok(_) => Ok(()),
            Err(StoreError::NotFound) => Err(UploadError::Superseded),
            Err(error) => Err(error.into()),
        }
    }

    fn stop_writers(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *stop).cancel();
    }

    /// Stops all writers and keeps new ones out until the guard is dropped.
    pub(crate) async fn close_gate(&self) -> OwnedRwLockWriteGuard<()> {
        self.stop_writers();
        self.gate.clone().write_owned().await
    }

    /// The next request reads the catalogue.
    pub(crate) fn mark_broken(&self) {
        self.broken.store(true, Ordering::Release);
        self.stop_writers();
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(crate) fn idle_for(&self) -> Duration {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Ends it without a file, for all who know it and after a crash too, unless `expired_by` is given and it lives longer than that
    /// (unix ms). A complete one stays complete, and what the provider was asked for is the file then. Returns whether it has ended.
    pub(crate) async fn close(&self, expired_by: Option<i64>) -> Result<bool> {
        let _one = self.finishing.lock().await;
        if let Some(now) = expired_by
            && self.lock().await.expires > now
        {
            return Ok(false);
        }
        let _gate = self.close_gate().await;
        let mut state = self.lock().await;
        // The last writer may have gone on with it.
        if expired_by.is_some_and(|now| state.expires > now) {
            return Ok(false);
        }
        if let Some(Ended::Complete(_)) = state.ended {
            state.at_provider = None;
            return Ok(true);
        }
        // What cannot be removed now is removed as that of an expired one; nobody goes on with what is left.
        let expired = UploadChange { expires: 0, ..UploadChange::default() };
        match self.catalogue.change_upload(self.id.as_str(), expired).await {
            Ok(()) | Err(CatalogueError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        (state.ended, state.expires) = (Some(Ended::Aborted), 0);
        Ok(true)
    }

    /// Forgets an upload that was closed, and its bytes here.
    pub(crate) async fn forget(&self) -> Result<()> {
        let mut state = self.lock().await;
        self.catalogue.delete_upload(self.id.as_str()).await?;
        state.file = None;
        let (directory, id) = (self.directory.clone(), self.id.clone());
        let removed = tokio::task::spawn_blocking(move || directory.remove(&id)).await;
        removed.map_err(std::io::Error::other)??;
        Ok(())
    }

    /// The object that the provider was asked to put together.
    pub(crate) async fn object(&self) -> Option<String> {
        self.lock().await.object.clone()
    }

    pub(crate) async fn at_provider(&self) -> Option<PartUpload> {
        self.lock().await.at_provider.clone()
    }
}

impl State {
    pub(crate) fn forget_file(&mut self) {
        self.file = None;
    }
}

/// What the first bytes of an upload look like, if these are some of its first bytes.
pub(crate) fn sniff(head: &[u8]) -> String {
    stowage_media::sniff(head).map_or_else(String::new, |media_type| media_type.as_str().to_owned())
}

pub(crate) fn unix_millis() -> i64 {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn broken(error: impl std::fmt::Display) -> UploadError {
    stowage_catalogue::CatalogueError::Internal(format!("a stored upload: {error}")).into()
}
