use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use stowage_cache::{Body, Cache, Entry, Freshness, Id, Key, Made, MadeBody, Meta, OpenError, Owner, Settings};
use tempfile::TempDir;

/// The error of makers in these tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) u32);

/// A directory, and a clock that stands still until it is moved.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    seconds: Arc<AtomicU64>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), seconds: Arc::new(AtomicU64::new(1_000_000)) }
    }

    pub(crate) fn try_open(&self, settings: Settings) -> Result<Cache<Refused>, OpenError> {
        let seconds = self.seconds.clone();
        let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst));
        Cache::open_with_clock(self.directory.path(), settings, Arc::new(clock))
    }

    pub(crate) fn open(&self, settings: Settings) -> Cache<Refused> {
        self.try_open(settings).expect("a cache")
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Files of entries.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        files_below(&self.directory.path().join("entries"))
    }

    /// Files that are being written.
    pub(crate) fn drafts(&self) -> Vec<PathBuf> {
        files_below(&self.directory.path().join("drafts"))
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Small bounds: bodies up to 1,000 bytes in memory.
pub(crate) fn small() -> Settings {
    Settings { disk_bytes: 1 << 20, disk_entries: 1_000, memory_bytes: 1 << 18, memory_body: 1_000, owner_share: 0.5 }
}

pub(crate) fn id(owner: i64, number: u32) -> Id {
    let mut key = [7; 32];
    // The place on disk follows from the first bytes.
    key[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    key[4..8].copy_from_slice(&number.to_be_bytes());
    Id { owner: Owner(owner), key: Key(key) }
}

/// A result that is right for ever.
pub(crate) fn made(body: impl Into<Bytes>) -> Made {
    let meta = Meta { media_type: "text/plain".to_owned(), ..Meta::default() };
    Made { meta, body: MadeBody::Memory(body.into()), freshness: Freshness::FOREVER }
}

/// The whole body of an entry.
pub(crate) fn content(entry: &Entry) -> Vec<u8> {
    match &entry.body {
        Body::Memory(bytes) => bytes.to_vec(),
        Body::File(file) => {
            let mut bytes = vec![0; usize::try_from(file.length()).expect("a small body")];
            file.file().read_exact_at(&mut bytes, 0).expect("a whole body");
            bytes
        }
    }
}
