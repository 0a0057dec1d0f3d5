//! Files in which bytes of uploads lie until the file is complete: one sparse file for each upload, named by its id.

use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    num::NonZeroU64,
    ops::Range,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use rustix::fs::{Advice, FallocateFlags};
use stowage_store::local::shared_sync::SharedSync;
use tokio::task::JoinHandle;

use crate::{checksum::Hasher, plan::UploadId};

/// Bytes that are hashed and go to disk in one call.
const BATCH: usize = 1 << 20;
/// Write-back is started each time this many bytes are dirty, so that the sync at the end finds little left to do.
const WRITE_BACK: u64 = 4 << 20;
/// Bytes read at once.
const READ: u64 = 1 << 20;
/// Linux takes this many slices in one call.
const MOST_SLICES: usize = 1024;

/// The directory of all staging files.
#[derive(Debug)]
pub(crate) struct StagingDirectory {
    path: PathBuf,
}

impl StagingDirectory {
    /// Opens it, creating it (mode 0700) if needed. Blocking.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self { path: path.to_owned() })
    }

    pub(crate) fn path_of(&self, id: &UploadId) -> PathBuf {
        self.path.join(id.as_str())
    }

    /// Opens the file of an upload, creating it if needed; its name is durable then. Blocking.
    pub(crate) fn open_file(&self, id: &UploadId) -> io::Result<StagingFile> {
        let path = self.path_of(id);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = options.create(true).open(&path)?;
                File::open(&self.path)?.sync_all()?;
                file
            }
            opened => opened?,
        };
        Ok(StagingFile { file, path, sync: SharedSync::default(), failed: AtomicBool::default() })
    }

    /// Removes the file of an upload; a missing one is success. Blocking.
    pub(crate) fn remove(&self, id: &UploadId) -> io::Result<()> {
        match std::fs::remove_file(self.path_of(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Ids of all staging files; other files are none of ours. Blocking.
    pub(crate) fn ids(&self) -> io::Result<Vec<UploadId>> {
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            ids.extend(entry?.file_name().to_str().and_then(|name| UploadId::parse(name).ok()));
        }
        Ok(ids)
    }
}

/// The staging file of one upload.
pub(crate) struct StagingFile {
    file: File,
    path: PathBuf,
    sync: SharedSync,
    failed: AtomicBool,
}

impl StagingFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All that was written so far is on disk when this returns. Blocking. The kernel tells once that bytes could not be written, and
    /// not whose they were: after a failure nobody who has written to this file is told that it went well. Open it again to go on.
    fn sync(&self) -> io::Result<()> {
        self.sync.run(|| {
            if self.has_failed() {
                return Err(failed_before());
            }
            rustix::fs::fdatasync(&self.file).inspect_err(|_| self.failed.store(true, Ordering::Release))?;
            Ok(())
        })
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Cuts off all bytes behind `length`. Blocking.
    pub(crate) fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Gives the disk space of ranges back; best effort, for they are removed with the file at the latest. Blocking.
    pub(crate) fn punch(&self, ranges: &[Range<u64>]) {
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = rustix::fs::fallocate(&self.file, flags, range.start, range.end - range.start);
        }
    }

    fn write(&self, pieces: &[Bytes], mut place: u64) -> io::Result<()> {
        for pieces in pieces.chunks(MOST_SLICES) {
            let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut rest = &mut slices[..];
            while !rest.is_empty() {
                match rustix::io::pwritev(&self.file, rest, place) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        place += count as u64;
                        IoSlice::advance_slices(&mut rest, count);
                    }
                    Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn write_back(&self, range: Range<u64>) {
        let length = NonZeroU64::new(range.end - range.start);
        let _ = rustix::fs::fadvise(&self.file, range.start, length, Advice::DontNeed);
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut buffer = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut buffer, range.start)?;
        Ok(buffer.into())
    }

    /// Streams ranges one after the other, one read ahead.
    pub(crate) fn stream(
        self: &Arc<Self>,
        ranges: Vec<Range<u64>>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let file = self.clone();
        let steps = ranges.into_iter().flat_map(|range| {
            let steps = range.clone().step_by(READ as usize);
            steps.map(move |start| start..range.end.min(start + READ))
        });
        stream::iter(steps)
            .map(move |range| {
                let file = file.clone();
                tokio::task::spawn_blocking(move || file.read(range))
            })
            .buffered(2)
            .map_err(io::Error::other)
            .and_then(|read| async { read })
    }
}

/// Fills one reserved place. Bytes are hashed and written on a blocking thread, one batch in flight while the next gathers: no thread
/// is held while a client is slow, and [`Self::next`] leaves nothing of what it sent in memory.
pub(crate) struct StagedWriter {
    file: Arc<StagingFile>,
    place: u64,
    gathering: Vec<Bytes>,
    gathered: usize,
    accepted: u64,
    written: u64,
    written_back: u64,
    batch: Option<JoinHandle<io::Result<Hasher>>>,
    hasher: Option<Hasher>,
}

impl StagedWriter {
    pub(crate) fn new(file: Arc<StagingFile>, place: u64, hasher: Hasher) -> Self {
        Self {
            file,
            place,
            gathering: Vec::new(),
            gathered: 0,
            accepted: 0,
            written: 0,
            written_back: 0,
            batch: None,
            hasher: Some(hasher),
        }
    }

    /// Bytes accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Waits for `chunk`, and meanwhile sends what has gathered to the disk. Loses nothing when it is cancelled.
    pub(crate) async fn next<T, E: From<io::Error>>(
        &mut self,
        chunk: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            chunk = chunk => chunk,
            error = self.write_while_idle() => Err(error.into()),
        }
    }

    /// Ends with an error only.
    async fn write_while_idle(&mut self) -> io::Error {
        while self.gathered > 0 {
            if let Err(error) = self.flush().await {
                return error;
            }
        }
        std::future::pending().await
    }

    pub(crate) async fn write(&mut self, chunk: Bytes) -> io::Result<()> {
        self.accepted += chunk.len() as u64;
        self.gathered += chunk.len();
        self.gathering.push(chunk);
        if self.gathered >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Sends what has gathered to the disk once the batch before it is there.
    async fn flush(&mut self) -> io::Result<()> {
        self.wait_for_batch().await?;
        let hasher = self.hasher.take().ok_or_else(failed_before)?;
        let pieces = std::mem::take(&mut self.gathering);
        let start = self.place + self.written;
        self.written += std::mem::take(&mut self.gathered) as u64;
        let end = self.place + self.written;
        let write_back = (self.written - self.written_back >= WRITE_BACK).then(|| self.place + self.written_back..end);
        if write_back.is_some() {
            self.written_back = self.written;
        }
        let file = self.file.clone();
        self.batch = Some(tokio::task::spawn_blocking(move || {
            file.write(&pieces, start)?;
            if let Some(range) = write_back {
                file.write_back(range);
            }
            Ok(hasher.update_all(pieces))
        }));
        Ok(())
    }

    async fn wait_for_batch(&mut self) -> io::Result<()> {
        if let Some(batch) = &mut self.batch {
            let finished = batch.await;
            self.batch = None;
            self.hasher = Some(finished.map_err(io::Error::other)??);
        }
        Ok(())
    }

    /// Gives up. When this returns, nothing is written to the place any more, so that it can be given to another writer.
    pub(crate) async fn abandon(mut self) {
        let _ = self.wait_for_batch().await;
    }

    /// Makes all that was accepted durable; returns its digest.
    pub(crate) async fn finish(mut self) -> io::Result<Vec<u8>> {
        if self.gathered > 0 {
            self.flush().await?;
        }
        self.wait_for_batch().await?;
        let hasher = self.hasher.take().ok_or_else(failed_before)?;
        if self.written > 0 {
            let file = self.file.clone();
            tokio::task::spawn_blocking(move || file.sync()).await.map_err(io::Error::other)??;
        }
        Ok(hasher.finish())
    }
}

fn failed_before() -> io::Error {
    io::Error::other("the writer failed before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_slow_sender_has_sent_goes_to_the_disk_while_it_is_waited_for() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = StagingDirectory::open(home.path()).expect("a directory");
        let id = UploadId::random().expect("random bytes");
        let file = Arc::new(directory.open_file(&id).expect("a file"));
        let mut writer = StagedWriter::new(file.clone(), 100, Hasher::None);
        for piece in ["slow ", "sender"] {
            writer.write(Bytes::from_static(piece.as_bytes())).await.expect("room");
            let end = 100 + writer.accepted();
            let written = async {
                while std::fs::metadata(file.path())?.len() < end {
                    tokio::task::yield_now().await;
                }
                Ok::<_, io::Error>(())
            };
            writer.next(written).await.expect("written before the sender goes on");
        }
        writer.finish().await.expect("durable");
        assert_eq!(file.read(100..111).expect("the bytes"), "slow sender");
    }

    #[test]
    fn after_a_sync_that_failed_none_succeeds() {
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let file =
            StagingFile { file, path: PathBuf::new(), sync: SharedSync::default(), failed: AtomicBool::default() };
        assert!(!file.has_failed() && file.sync().is_err() && file.has_failed());
        let file = StagingFile { file: tempfile::tempfile().expect("a file"), ..file };
        assert!(file.sync().is_err(), "the bytes of another writer may have been those that were lost");
    }

    /// The place is given to the next writer then, whose bytes a late write would destroy.
    #[tokio::test]
    async fn a_writer_that_gives_up_writes_nothing_afterwards() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let directory = StagingDirectory::open(home.path()).expect("a directory");
        for _ in 0..20 {
            let id = UploadId::random().expect("random bytes");
            let file = Arc::new(directory.open_file(&id).expect("a file"));
            let mut writer = StagedWriter::new(file.clone(), 0, Hasher::None);
            writer.write(vec![7; 8 * BATCH].into()).await.expect("a batch under way");
            writer.abandon().await;
            assert_eq!(Arc::strong_count(&file), 1, "nobody can write any more");
        }
    }
}
