//! Moving one file: copy, verify, switch; again when it changed meanwhile.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};
use stowage_catalogue::{Catalogue, CatalogueError, FileMove, FileRow, MoveOutcome, OldObject, StoreId, StoreRow};
use stowage_core::{filename::FileName, location::ContainerName};
use stowage_server::{
    ingest::{meta_of, unix_millis},
    object_locks::ObjectLocks,
};
use stowage_store::{
    BlobStore, ObjectId, ObjectKey, StoreError,
    registry::{Containers, OpenedStore},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{super::trial, content::content};
use crate::failure::Failure;

/// Attempts for a file that changes while it is copied.
const ATTEMPTS: usize = 5;

/// Objects stay this long after the last use, milliseconds: the original for readers who saw the row before the switch.
const GRACE: i64 = 5 * 60 * 1000;

/// How long the server is waited for that writes or removes an object of the same key.
const CLAIM_PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at it.
const CLAIM_RETRY: Duration = Duration::from_millis(100);

/// What came of one file.
pub(super) enum Outcome {
    /// It is in the new store, and so are other files of the same key.
    Moved {
        /// Itself and the others.
        files: u64,
        /// Their sizes.
        bytes: u64,
    },
    /// It was deleted or moved by somebody else.
    Gone,
    /// It stays where it is, for this reason.
    Failed(String),
}

/// Why a copy did not become the file.
#[derive(Debug, thiserror::Error)]
enum Obstacle {
    #[error("it changes faster than it can be copied; run the command again")]
    Changed,
    #[error("another file has its key `{0}` in the new store")]
    Taken(String),
    #[error("its key `{0}` is being written in the new store; run the command again")]
    Claimed(String),
    #[error("its content in the old store is not what was stored: {0}")]
    Damaged(String),
    #[error("{0}: {1}")]
    Store(&'static str, StoreError),
    #[error("its container or key cannot be used: {0}")]
    Name(String),
    #[error("both names stand for one place, where copying would overwrite the original")]
    SamePlace,
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// Moves files from one store to another.
pub(super) struct Mover {
    catalogue: Catalogue,
    from: StoreRow,
    source: OpenedStore,
    to: StoreRow,
    target: OpenedStore,
    default_container: Option<ContainerName>,
    keep_source: bool,
    locks: ObjectLocks,
    /// Pairs of containers that are known to be two places.
    distinct: Mutex<HashSet<(ContainerName, ContainerName)>>,
}

impl Mover {
    pub(super) async fn new(
        catalogue: Catalogue,
        (from, source): (StoreRow, OpenedStore),
        (to, target): (StoreRow, OpenedStore),
        keep_source: bool,
    ) -> Result<Self, Failure> {
        let default_container = match &target.containers {
            Containers::Any => None,
            Containers::Listed(listed) => Some(match listed.first() {
                Some(default) => default.clone(),
                None => {
                    let detected = target.driver.detected_container().await;
                    detected.map_err(|error| Failure::Other(format!("store `{}`: {error}", to.name)))?
                }
            }),
        };
        let distinct = Mutex::default();
        let locks = ObjectLocks::default();
        Ok(Self { catalogue, from, source, to, target, default_container, keep_source, locks, distinct })
    }

    /// The store whose files are moved.
    pub(super) fn source(&self) -> StoreId {
        self.from.id
    }

    /// Moves one file; an error means that going on makes no sense.
    pub(super) async fn move_file(&self, mut file: FileRow, bar: &ProgressBar) -> Result<Outcome, Failure> {
        let mut obstacle = Obstacle::Changed;
        for _ in 0..ATTEMPTS {
            obstacle = match self.attempt(&file, bar).await {
                Ok(files) => return Ok(Outcome::Moved { files, bytes: files * file.size }),
                Err(Obstacle::Catalogue(error)) => return Err(error.into()),
                Err(same @ Obstacle::SamePlace) => return Err(Failure::Other(same.to_string())),
                Err(obstacle) => obstacle,
            };
            let before = file;
            file = match self.catalogue.file(&before.handle).await? {
                Some(now) if now.store == self.from.id => now,
                _ => return Ok(Outcome::Gone),
            };
            let unchanged = (&file.object, file.version) == (&before.object, before.version);
            if unchanged && !matches!(obstacle, Obstacle::Changed) {
                break;
            }
        }
        Ok(Outcome::Failed(obstacle.to_string()))
    }

    async fn attempt(&self, file: &FileRow, bar: &ProgressBar) -> Result<u64, Obstacle> {
        let old = ContainerName::parse(&file.container).map_err(|reason| Obstacle::Name(reason.to_owned()))?;
        let container = self.container_for(&old);
        let key = ObjectKey::existing(container.clone(), file.key.clone());
        let mut wanted = FileMove {
            file: file.clone(),
            store: self.to.id,
            location: self.to.location,
            container: container.to_string(),
            intent: None,
            old_object: self.old_object(),
        };
        let planned = self.target.driver.planned_id(&key);
        // Files of one key are moved together: the others see then that there is nothing left to do.
        let _guard = match &planned {
            Some(planned) => Some(self.locks.lock(self.to.id, planned.as_str()).await),
            None => None,
        };
        self.check(&wanted).await?;
        if let Some(planned) = planned {
            self.check_distinct(file, &old, &container).await?;
            wanted.intent = Some(self.claim(file, &planned).await?);
        }
        let (object, sha256) = match self.copy(&wanted, &key, bar).await {
            Ok(copied) => copied,
            Err(CopyFailure::NothingWritten(obstacle)) => {
                if let Some(intent) = wanted.intent {
                    self.catalogue.drop_intent(intent).await?;
                }
                return Err(obstacle);
            }
            Err(CopyFailure::Unclear(obstacle)) => {
                self.give_up(&wanted, None).await?;
                return Err(obstacle);
            }
        };
        let switched = match self.verify(file, &object, sha256).await {
            Ok(()) => self.switch(&wanted, &object).await,
            Err(obstacle) => Err(obstacle),
        };
        if let Err(obstacle) = &switched {
            // After a failure of the catalogue nobody knows whether the row names the copy: the next start of the server decides.
            let unnamed = !matches!(obstacle, Obstacle::Catalogue(_));
            self.give_up(&wanted, Some(&object).filter(|_| unnamed)).await?;
        }
        switched
    }

    /// Keeps the server from writing or removing the object; waits a while if it is at it.
    async fn claim(&self, file: &FileRow, object: &ObjectId) -> Result<i64, Obstacle> {
        let deadline = Instant::now() + CLAIM_PATIENCE;
        loop {
            match self.catalogue.add_move_intent(self.to.id, object.as_str()).await {
                Err(CatalogueError::Claimed) if Instant::now() < deadline => sleep(CLAIM_RETRY).await,
                Err(CatalogueError::Claimed) => return Err(Obstacle::Claimed(file.key.clone())),
                claimed => return Ok(claimed?),
            }
        }
    }

    /// The driver of the old store for the region where the file is.
    fn source_of(&self, file: &FileRow) -> Result<Arc<dyn BlobStore>, StoreError> {
        match &file.region {
            None => Ok(self.source.driver.clone()),
            Some(region) => self.source.driver.in_region(region),
        }
    }

    fn old_object(&self) -> OldObject {
        if self.keep_source { OldObject::Keep } else { OldObject::RemoveAt(unix_millis() + GRACE) }
    }

    /// The old container where the new store allows it, otherwise the new store's default.
    fn container_for(&self, old: &ContainerName) -> ContainerName {
        match (&self.target.containers, &self.default_container) {
            (Containers::Listed(listed), Some(default)) if !listed.contains(old) => default.clone(),
            _ => old.clone(),
        }
    }

    async fn check(&self, wanted: &FileMove) -> Result<u64, Obstacle> {
        judged(self.catalogue.check_move(wanted).await?, wanted)
    }

    /// How many files have the copy now.
    async fn switch(&self, wanted: &FileMove, object: &ObjectId) -> Result<u64, Obstacle> {
        let now = FileMove { old_object: self.old_object(), ..wanted.clone() };
        judged(self.catalogue.move_file(now, object.as_str()).await?, wanted)
    }

    /// The copy is what was read, and that was compared with the row where the row has a SHA-256. Where it has none, the copy is read back.
    async fn verify(&self, file: &FileRow, object: &ObjectId, sha256: [u8; 32]) -> Result<(), Obstacle> {
        let failed = |error| Obstacle::Store("the new store", error);
        let stat = self.target.driver.stat(object).await.map_err(failed)?;
        if stat.size != file.size {
            let found = format!("{} bytes arrived, not {}", stat.size, file.size);
            return Err(failed(StoreError::Corrupt(found)));
        }
        if file.sha256.is_none() {
            let mut copy = content(&*self.target.driver, object, file.size).await.map_err(failed)?;
            let mut hasher = Sha256::new();
            while let Some(chunk) = copy.try_next().await.map_err(failed)? {
                hasher.update(&chunk);
            }
            if hasher.finalize()[..] != sha256 {
                return Err(failed(StoreError::Corrupt("the copy reads back differently".to_owned())));
            }
        }
        Ok(())
    }

    /// This copy is void. A remote one is not removed at once: the next attempt writes an object of the same name.
    async fn give_up(&self, wanted: &FileMove, object: Option<&ObjectId>) -> Result<(), CatalogueError> {
        match (wanted.intent, object) {
            (Some(intent), _) => self.catalogue.give_up_intent(intent, unix_millis() + GRACE).await,
            (None, Some(object)) => {
                // Where this fails, the sweep of the next start removes it.
                let _ = self.target.driver.delete(object).await;
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// The copy, and the SHA-256 of what was read.
    async fn copy(
        &self,
        wanted: &FileMove,
        key: &ObjectKey,
        bar: &ProgressBar,
    ) -> Result<(ObjectId, [u8; 32]), CopyFailure> {
        let file = &wanted.file;
        let source = |error| CopyFailure::NothingWritten(Obstacle::Store("the old store", error));
        let target = |error| CopyFailure::NothingWritten(Obstacle::Store("the new store", error));
        let object = ObjectId::from_catalogue(file.object.clone());
        let old_store = self.source_of(file).map_err(source)?;
        let mut content = content(&*old_store, &object, file.size).await.map_err(source)?;
        let mut writer = self.target.driver.create(key, &meta_of(file)).await.map_err(target)?;
        let mut written = 0;
        let copied = async {
            let mut hasher = Sha256::new();
            while let Some(chunk) = content.try_next().await.map_err(|error| Obstacle::Store("the old store", error))? {
                hasher.update(&chunk);
                let length = chunk.len() as u64;
                writer.write(chunk).await.map_err(|error| Obstacle::Store("the new store", error))?;
                written += length;
                bar.inc(length);
            }
            let sha256: [u8; 32] = hasher.finalize().into();
            if written != file.size {
                return Err(Obstacle::Damaged(format!("{written} bytes instead of {}", file.size)));
            }
            if file.sha256.is_some_and(|stored| stored != sha256) {
                return Err(Obstacle::Damaged("its SHA-256 differs".to_owned()));
            }
            // Once more: from here on a remote object of this key is replaced.
            self.check(wanted).await?;
            Ok(sha256)
        };
        let sha256 = match copied.await {
            Ok(sha256) => sha256,
            Err(obstacle) => {
                writer.abort().await;
                bar.set_position(bar.position().saturating_sub(written));
                return Err(CopyFailure::NothingWritten(obstacle));
            }
        };
        let object =
            writer.commit().await.map_err(|error| CopyFailure::Unclear(Obstacle::Store("the new store", error)))?;
        Ok((object, sha256))
    }

    /// Two names may stand for one bucket. Copying an object onto itself and then removing the original would lose it, so
    /// an object written by the new name must not be visible by the old one.
    async fn check_distinct(&self, file: &FileRow, old: &ContainerName, new: &ContainerName) -> Result<(), Obstacle> {
        let pair = (old.clone(), new.clone());
        let mut distinct = self.distinct.lock().await;
        if distinct.contains(&pair) {
            return Ok(());
        }
        let filename = FileName::parse("stowage-probe.txt").map_err(|error| Obstacle::Name(error.to_string()))?;
        let probe = ObjectKey::build(new.clone(), None, &filename);
        let source = self.source_of(file).map_err(|error| Obstacle::Store("the old store", error))?;
        let Some(seen) = source.planned_id(&ObjectKey::existing(old.clone(), probe.key().to_owned())) else {
            return Ok(());
        };
        let failed = |error| Obstacle::Store("the new store", error);
        let written = trial::write(&*self.target.driver, &probe).await.map_err(failed)?;
        let visible = source.stat(&seen).await;
        self.target.driver.delete(&written).await.map_err(failed)?;
        match visible {
            Ok(_) => Err(Obstacle::SamePlace),
            // Providers refuse to tell what does not exist to those who may not list.
            Err(StoreError::NotFound | StoreError::Denied(_) | StoreError::MissingContainer(_)) => {
                distinct.insert(pair);
                Ok(())
            }
            Err(error) => Err(Obstacle::Store("the old store", error)),
        }
    }
}

/// Whether the new store may have something of the copy.
enum CopyFailure {
    NothingWritten(Obstacle),
    Unclear(Obstacle),
}

fn judged(outcome: MoveOutcome, wanted: &FileMove) -> Result<u64, Obstacle> {
    match outcome {
        MoveOutcome::Done { files } => Ok(files),
        MoveOutcome::Changed => Err(Obstacle::Changed),
        MoveOutcome::Taken => Err(Obstacle::Taken(wanted.file.key.clone())),
    }
}
