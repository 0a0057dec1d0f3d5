//! Writing an object: bytes gather in memory and go to disk on a blocking thread, one batch in flight while the next
//! gathers. No thread is held while a client is slow, and an upload takes at most two batches of memory.

use std::{
    fs::File,
    io::{self, IoSlice, Write},
    num::NonZeroU64,
    path::Path,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use rustix::fs::Advice;
use tokio::task::JoinHandle;

use super::{blocking, directory::ObjectDirectory, failure, name::ObjectName};
use crate::{BlobWriter, ObjectId, StoreError};

/// Bytes that go to disk in one call; smaller bodies are written at commit in one go.
pub(super) const BATCH: usize = 1 << 20;
/// Chunks below this are copied together, so that a client that sends bytes one by one cannot make millions of pieces.
const TINY: usize = 4096;
/// Write-back is started each time this many bytes are dirty, so that the sync at commit finds little left to do.
const WRITE_BACK: u64 = 8 << 20;

pub(super) struct LocalWriter {
    directory: Arc<ObjectDirectory>,
    generation: u64,
    gathering: Batch,
    target: Target,
}

/// Where the file is.
enum Target {
    /// Nothing is on disk yet.
    Unopened,
    /// A batch is being written, or was.
    Writing(JoinHandle<io::Result<PartialFile>>),
    /// An error was reported; the partial file is gone.
    Lost,
}

impl LocalWriter {
    pub(super) fn new(directory: Arc<ObjectDirectory>, generation: u64) -> Self {
        Self { directory, generation, gathering: Batch::default(), target: Target::Unopened }
    }

    /// Waits for the batch in flight; `None` if no file was opened yet. The target is lost if this fails or is cancelled.
    async fn take_file(&mut self) -> io::Result<Option<PartialFile>> {
        match std::mem::replace(&mut self.target, Target::Lost) {
            Target::Unopened => Ok(None),
            Target::Writing(task) => task.await.map_err(io::Error::other)?.map(Some),
            Target::Lost => Err(io::Error::other("the object was given up after an error")),
        }
    }

    /// Takes everything needed to write the gathered bytes on a blocking thread.
    async fn take_work(&mut self) -> io::Result<impl FnOnce() -> io::Result<PartialFile> + use<>> {
        let file = self.take_file().await?;
        let batch = self.gathering.take();
        let directory = self.directory.clone();
        let generation = self.generation;
        Ok(move || {
            let mut file = match file {
                Some(file) => file,
                None => PartialFile::create(directory, generation)?,
            };
            file.write(&batch)?;
            Ok(file)
        })
    }
}

#[async_trait::async_trait]
impl BlobWriter for LocalWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.gathering.push(chunk);
        if self.gathering.length >= BATCH {
            let work = self.take_work().await.map_err(failure)?;
            self.target = Target::Writing(tokio::task::spawn_blocking(work));
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectId, StoreError> {
        let work = self.take_work().await.map_err(failure)?;
        let durable = blocking(move || {
            let file = work()?;
            file.sync()?;
            Ok(file)
        });
        // A cancelled commit drops the result of that thread, and with it the file.
        Ok(durable.await.map_err(failure)?.keep())
    }

    async fn abort(mut self: Box<Self>) {
        if let Ok(Some(file)) = self.take_file().await {
            let _ = tokio::task::spawn_blocking(move || drop(file)).await;
        }
    }
}

/// Bytes waiting for the disk, without copying large chunks.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    length: usize,
}

impl Batch {
    fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len();
        if chunk.len() < TINY {
            self.tail.extend_from_slice(&chunk);
        } else {
            self.end_tail();
            self.pieces.push(chunk);
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.end_tail();
        self.length = 0;
        std::mem::take(&mut self.pieces)
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }
}

/// A file without an owner yet: dropping it removes it.
pub(super) struct PartialFile {
    directory: Arc<ObjectDirectory>,
    name: ObjectName,
    file: File,
    written: u64,
    written_back: u64,
    kept: bool,
}

impl PartialFile {
    fn create(directory: Arc<ObjectDirectory>, generation: u64) -> io::Result<Self> {
        let name = directory.new_name(generation);
        Ok(Self { file: directory.create(&name)?, directory, name, written: 0, written_back: 0, kept: false })
    }

    /// Begins with a file that somebody else has written. Its own name stays.
    pub(super) fn adopt(directory: Arc<ObjectDirectory>, generation: u64, staged: &Path) -> io::Result<Self> {
        let name = directory.new_name(generation);
        let file = directory.link(staged, &name)?;
        Ok(Self { file, directory, name, written: 0, written_back: 0, kept: false })
    }

    fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.write_back();
        Ok(())
    }

    /// Linux starts writing dirty pages when told that they are not needed, and keeps them in the cache until they are
    /// clean; a hint only, so errors do not matter.
    fn write_back(&mut self) {
        let dirty = self.written - self.written_back;
        if dirty >= WRITE_BACK {
            let length = NonZeroU64::new(dirty);
            let _ = rustix::fs::fadvise(&self.file, self.written_back, length, Advice::DontNeed);
            self.written_back = self.written;
        }
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        rustix::fs::fdatasync(&self.file)?;
        self.directory.sync_entry(&self.name)
    }

    pub(super) fn keep(mut self) -> ObjectId {
        self.kept = true;
        ObjectId::from_catalogue(self.name.to_string())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.directory.unlink(&self.name)
        {
            tracing::warn!(object = %self.name, %error, "an abandoned object is left for the sweep");
        }
    }
}
