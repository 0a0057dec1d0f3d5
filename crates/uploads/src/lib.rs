//! Uploads in parts: sessions, parts, byte ranges, completion — under every protocol, with no HTTP in it.
//!
//! State lives in the catalogue. Bytes go to the provider at once where it keeps parts itself, and to a staging file otherwise; a
//! staging file whose parts lie in order becomes the stored object without a copy.
//!
//! Invariant: what was acknowledged is durable, is never written over, and becomes part of at most one file.

mod checksum;
mod error;
mod finish;
mod lanes;
mod layout;
mod plan;
mod session;
mod staging;

use std::{collections::HashMap, io, path::Path, sync::Arc, time::Duration};

use stowage_catalogue::{AppId, Catalogue, StoreId, UploadRow};
use stowage_store::{BlobStore, StoreError, parts::PartUpload};
use tokio::sync::Mutex;

pub use checksum::{Algorithm, Checksum};
pub use error::UploadError;
pub use finish::{Completion, Finished, Judged, ListedPart};
pub use plan::{Plan, UploadId};
pub use session::{Append, Content, MOST_PARTS, PartBody, Progress, Session};

use error::Result;
use session::{broken, unix_millis};
use staging::StagingDirectory;

/// An upload that nobody has asked for during this time is read from the catalogue again when somebody does.
const IDLE: Duration = Duration::from_secs(120);
/// Uploads looked at in one go.
const BATCH: usize = 256;

/// All uploads of a server.
pub struct Uploads {
    catalogue: Catalogue,
    directory: Arc<StagingDirectory>,
    sessions: Mutex<HashMap<UploadId, Arc<Session>>>,
    lifetime: Duration,
}

impl Uploads {
    /// `directory` holds the staging files; put it on the file system of the local store. An upload is forgotten `lifetime` after its
    /// last byte came, a complete one `lifetime` after its end. Blocking.
    pub fn open(directory: &Path, catalogue: Catalogue, lifetime: Duration) -> io::Result<Self> {
        let directory = Arc::new(StagingDirectory::open(directory)?);
        Ok(Self { catalogue, directory, sessions: Mutex::default(), lifetime })
    }

    /// Begins an upload. Errors: the catalogue's, `NotFound` among them if the app is gone.
    pub async fn create(&self, app: AppId, store: StoreId, plan: Plan, size: Option<u64>) -> Result<Arc<Session>> {
        if size.is_some_and(|size| size > plan.maximum) {
            return Err(UploadError::TooLarge { limit: plan.maximum });
        }
        let lifetime = i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX / 2);
        let row = UploadRow {
            id: UploadId::random()?.as_str().to_owned(),
            app,
            store,
            plan: serde_json::to_string(&plan).map_err(broken)?,
            size,
            slot: None,
            at_provider: None,
            sniffed: None,
            object: None,
            handle: None,
            expires: unix_millis() + lifetime,
            parts: Vec::new(),
        };
        self.catalogue.create_upload(row.clone()).await?;
        let session = Arc::new(self.restore(row)?);
        self.sessions.lock().await.insert(session.id().clone(), session.clone());
        Ok(session)
    }

    /// An upload, ended or not. `NotFound` if there is none.
    pub async fn session(&self, id: &UploadId) -> Result<Arc<Session>> {
        let mut sessions = self.sessions.lock().await;
        while let Some(session) = sessions.get(id).cloned() {
            if !session.is_broken() {
                return Ok(session);
            }
            // Its writers may take as long as a provider does; nobody else waits for them.
            drop(sessions);
            drop(session.close_gate().await);
            sessions = self.sessions.lock().await;
            if sessions.get(id).is_some_and(|known| Arc::ptr_eq(known, &session)) {
                sessions.remove(id);
            }
        }
        // The lock is held while the catalogue is asked: there is one session of an upload at a time.
        let row = self.catalogue.upload(id.as_str()).await?.ok_or(UploadError::NotFound)?;
        if row.expires <= unix_millis() {
            return Err(UploadError::NotFound);
        }
        let session = Arc::new(self.restore(row)?);
        sessions.insert(id.clone(), session.clone());
        Ok(session)
    }

    fn restore(&self, row: UploadRow) -> Result<Session> {
        let plan: Plan = serde_json::from_str(&row.plan).map_err(broken)?;
        Session::restore(row, plan, self.catalogue.clone(), self.directory.clone(), self.lifetime)
    }

    /// Throws an upload away with all that has arrived. A complete one is only forgotten; its file stays.
    pub async fn abort(&self, id: &UploadId, driver: &dyn BlobStore) -> Result<()> {
        let session = self.session(id).await?;
        session.close(None).await?;
        if let Err(error) = self.remove(&session, Some(driver)).await {
            tracing::warn!(%error, "an aborted upload could not be removed; it will be tried again");
        }
        Ok(())
    }

    /// Removes an upload that was closed: what the provider holds first, so that a crash leaves a trace of it.
    async fn remove(&self, session: &Session, driver: Option<&dyn BlobStore>) -> Result<()> {
        if let (Some(upload), Some(driver)) = (session.at_provider().await, driver) {
            abandon(session, &upload, driver, &self.catalogue).await?;
        }
        session.forget().await?;
        self.sessions.lock().await.remove(session.id());
        Ok(())
    }

    /// Removes uploads that have expired, `driver_of` giving the driver of their stores, and frees the memory of idle ones. Returns how
    /// many were removed.
    pub async fn collect<F>(&self, driver_of: impl Fn(StoreId, Option<String>) -> F) -> Result<usize>
    where
        F: Future<Output = Option<Arc<dyn BlobStore>>>,
    {
        self.sessions.lock().await.retain(|_, session| Arc::strong_count(session) > 1 || session.idle_for() < IDLE);
        let (now, mut removed, mut kept) = (unix_millis(), 0, 0);
        loop {
            // Those of a provider that fails stay, the oldest first; they must not keep the others waiting.
            let expired = self.catalogue.expired_uploads(now, kept + BATCH).await?.into_iter().skip(kept);
            let found = expired.len();
            for row in expired {
                match self.remove_expired(row, &driver_of).await {
                    Ok(true) => removed += 1,
                    Ok(false) => kept += 1,
                    Err(error) => {
                        kept += 1;
                        tracing::warn!(%error, "an expired upload could not be removed; it will be tried again");
                    }
                }
            }
            if found < BATCH {
                return Ok(removed);
            }
        }
    }

    /// Whether it is gone; otherwise it goes on.
    async fn remove_expired<F>(&self, row: UploadRow, driver_of: &impl Fn(StoreId, Option<String>) -> F) -> Result<bool>
    where
        F: Future<Output = Option<Arc<dyn BlobStore>>>,
    {
        let id = UploadId::parse(&row.id)?;
        let session = {
            let mut sessions = self.sessions.lock().await;
            match sessions.get(&id) {
                Some(session) => session.clone(),
                // Nobody may go on with this one, which knows no parts: it is closed before it can be found.
                None => {
                    let session = Arc::new(self.restore(row)?);
                    session.close(None).await?;
                    sessions.insert(id, session.clone());
                    session
                }
            }
        };
        // It may have been gone on with since it was listed.
        if !session.close(Some(unix_millis())).await? {
            return Ok(false);
        }
        let driver = driver_of(session.store(), session.plan().region.clone()).await;
        self.remove(&session, driver.as_deref()).await.map(|()| true)
    }

    /// Removes staging files without an open upload: what a crash between "removed from the catalogue" and "removed from the disk"
    /// leaves. Call before serving. Returns how many were removed.
    pub async fn sweep(&self) -> Result<usize> {
        let directory = self.directory.clone();
        let ids = tokio::task::spawn_blocking(move || directory.ids()).await.map_err(io::Error::other)??;
        let mut removed = 0;
        for ids in ids.chunks(BATCH) {
            let names = ids.iter().map(|id| id.as_str().to_owned()).collect();
            let open = self.catalogue.uploads_open(names).await?;
            let stale: Vec<UploadId> =
                ids.iter().zip(open).filter(|(_, open)| !open).map(|(id, _)| id.clone()).collect();
            removed += stale.len();
            let directory = self.directory.clone();
            let swept = tokio::task::spawn_blocking(move || stale.iter().try_for_each(|id| directory.remove(id)));
            swept.await.map_err(io::Error::other)??;
        }
        Ok(removed)
    }
}

/// Removes what a provider holds of an upload that has no file: its parts, or the object if a crash came between "put together" and
/// "committed".
async fn abandon(session: &Session, upload: &PartUpload, driver: &dyn BlobStore, catalogue: &Catalogue) -> Result<()> {
    if let Some(parts) = driver.parts() {
        match parts.abort(upload).await {
            Ok(()) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(object) = session.object().await {
        let intent = catalogue.add_intent(session.store(), &object, session.plan().region.as_deref()).await?;
        catalogue.give_up_intent(intent, unix_millis()).await?;
    }
    Ok(())
}
