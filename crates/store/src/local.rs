//! Local disk. No user text ever becomes part of a path: an object is `objects/<2 hex>/<generation>-<24 random lower-case alphanumerics>`,
//! written once, never renamed, invisible until the catalogue row that names it is committed.

mod adopt;
mod copy;
mod directory;
mod name;
pub mod shared_sync;
mod sweep;
mod writer;

use std::{
    fs::File,
    io::{self, ErrorKind, IoSliceMut},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};
use stowage_core::location::ContainerName;

use crate::{
    Blob, BlobStore, BlobWriter, Capabilities, Listing, ObjectId, ObjectKey, ObjectMeta, ObjectStat, PresignedRequest,
    StoreError,
};
use directory::ObjectDirectory;
use name::ObjectName;
use writer::LocalWriter;

/// Ranges up to this are read at once instead of being handed out as a file.
const MEMORY_RANGE: u64 = 64 << 10;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Objects seen.
    pub seen: u64,
    /// Objects removed.
    pub removed: u64,
    /// Bytes freed.
    pub bytes: u64,
}

/// The embedded store below one directory of the data directory.
#[derive(Clone)]
pub struct LocalStore {
    directory: Arc<ObjectDirectory>,
    generation: u64,
}

impl LocalStore {
    /// Opens (creating it if needed) the store below `root`. `generation` must grow with every start of the server:
    /// ids carry it, so that a sweep can tell objects of earlier runs from those being written now.
    pub fn open(root: &Path, generation: u64) -> io::Result<Self> {
        Ok(Self { directory: Arc::new(ObjectDirectory::open(root)?), generation })
    }

    /// Removes objects of earlier generations for which `is_known` is false. Blocking: run it on a blocking thread. `is_known` gets batches of ids (≤ 256) and answers in order.
    pub fn sweep(&self, is_known: &mut dyn FnMut(&[String]) -> Vec<bool>) -> io::Result<SweepReport> {
        sweep::sweep(&self.directory, self.generation, is_known)
    }

    async fn open_object(&self, name: ObjectName) -> io::Result<(File, u64)> {
        let (file, stat) = match self.directory.open_object_cached(&name) {
            Some(opened) => opened,
            None => {
                let directory = self.directory.clone();
                blocking(move || directory.open_object(&name)).await?
            }
        };
        Ok((file, size(stat.st_size)))
    }
}

#[async_trait::async_trait]
impl BlobStore for LocalStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { public_access: false, list: false, presign: false, versions: true, adopts: true }
    }

    /// There is only this machine.
    fn in_region(&self, _region: &str) -> Result<Arc<dyn BlobStore>, StoreError> {
        Ok(Arc::new(self.clone()))
    }

    async fn create(&self, _key: &ObjectKey, meta: &ObjectMeta) -> Result<Box<dyn BlobWriter>, StoreError> {
        let length = meta.length.unwrap_or(0);
        if length > writer::BATCH as u64 {
            let directory = self.directory.clone();
            // Asked, not reserved: else a few clients that announce much and send nothing would fill the disk.
            if !blocking(move || directory.has_room_for(length)).await.map_err(failure)? {
                return Err(StoreError::Full);
            }
        }
        Ok(Box::new(LocalWriter::new(self.directory.clone(), self.generation)))
    }

    async fn open(&self, id: &ObjectId, range: Range<u64>) -> Result<Blob, StoreError> {
        let name = known_name(id)?;
        let (file, size) = self.open_object(name).await.map_err(read_failure)?;
        if size < range.end {
            return Err(StoreError::Other(format!(
                "object {} is corrupt: {size} bytes on disk, at least {} expected",
                id.as_str(),
                range.end
            )));
        }
        if range.end.saturating_sub(range.start) > MEMORY_RANGE {
            return Ok(Blob::File { file, range });
        }
        read_range(file, range).await.map(Blob::Memory).map_err(read_failure)
    }

    async fn stat(&self, id: &ObjectId) -> Result<ObjectStat, StoreError> {
        let name = known_name(id)?;
        let directory = self.directory.clone();
        let stat = blocking(move || directory.stat(&name)).await.map_err(read_failure)?;
        Ok(ObjectStat { size: size(stat.st_size), media_type: None, etag: None, modified: None })
    }

    async fn delete(&self, id: &ObjectId) -> Result<(), StoreError> {
        let Some(name) = ObjectName::parse(id.as_str()) else {
            return Ok(());
        };
        let directory = self.directory.clone();
        // Not made durable: an object that a power cut brings back has no row and is swept.
        match blocking(move || directory.unlink(&name)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failure(error)),
            _ => Ok(()),
        }
    }

    async fn copy(&self, from: &ObjectId, to: &ObjectKey, meta: &ObjectMeta) -> Result<ObjectId, StoreError> {
        copy::copy(self, from, to, meta).await
    }

    async fn list(&self, _: &ContainerName, _: &str, _: Option<&str>) -> Result<Listing, StoreError> {
        Err(StoreError::Unsupported("the local disk keeps no keys to list: the catalogue does".to_owned()))
    }

    async fn presign_get(&self, _: &ObjectId, _: Duration) -> Result<PresignedRequest, StoreError> {
        Err(no_direct_requests())
    }

    async fn presign_put(&self, _: &ObjectKey, _: &ObjectMeta, _: Duration) -> Result<PresignedRequest, StoreError> {
        Err(no_direct_requests())
    }

    async fn adopt(&self, staged: &Path) -> Result<ObjectId, StoreError> {
        adopt::adopt(self, staged).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        const PROBE: &[u8] = b"stowage readiness probe";
        let mut writer = Box::new(LocalWriter::new(self.directory.clone(), self.generation));
        writer.write(Bytes::from_static(PROBE)).await?;
        let id = writer.commit().await?;
        let read = self.open(&id, 0..PROBE.len() as u64).await;
        self.delete(&id).await?;
        match read? {
            Blob::Memory(bytes) if bytes == PROBE => Ok(()),
            _ => Err(StoreError::Other("the probe reads back differently".to_owned())),
        }
    }
}

fn no_direct_requests() -> StoreError {
    StoreError::Unsupported("the local disk takes no requests of its own".to_owned())
}

/// A text that is no name of ours stands for no object, whatever it was meant to reach.
fn known_name(id: &ObjectId) -> Result<ObjectName, StoreError> {
    ObjectName::parse(id.as_str()).ok_or(StoreError::NotFound)
}

/// Reads a short range, on this thread if the page cache has all of it.
async fn read_range(file: File, range: Range<u64>) -> io::Result<Bytes> {
    let length = range.end.saturating_sub(range.start) as usize;
    let mut buffer = vec![0; length];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let cached = rustix::io::preadv2(&file, &mut slices, range.start, ReadWriteFlags::NOWAIT);
    if cached == Ok(length) {
        return Ok(buffer.into());
    }
    blocking(move || {
        file.read_exact_at(&mut buffer, range.start)?;
        Ok(buffer.into())
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn size(st_size: i64) -> u64 {
    u64::try_from(st_size).unwrap_or(0)
}

fn read_failure(error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound => StoreError::NotFound,
        _ => failure(error),
    }
}

fn failure(error: io::Error) -> StoreError {
    let out_of_descriptors = [Some(Errno::MFILE), Some(Errno::NFILE)];
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Denied(error.to_string()),
        _ if out_of_descriptors.contains(&Errno::from_io_error(&error)) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Other(error.to_string()),
    }
}
