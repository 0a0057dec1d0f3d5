//! Settings of the work on pictures and of what is kept of it.

use std::{path::PathBuf, time::Duration};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Worker processes and what each job may use (threats E, L).
#[derive(Clone, Debug)]
pub struct ImagesConfig {
    /// Worker processes; 0: one per core. Default 0.
    pub workers: usize,
    /// Memory that all running jobs together are expected to stay within, bytes; default 1 GiB.
    pub memory: u64,
    /// Longest wait for a worker; default 10 s.
    pub queue_timeout: Duration,
    /// Longest job; default 60 s.
    pub time_limit: Duration,
    /// Largest source in bytes; default 256 MiB.
    pub max_bytes: u64,
    /// Most pixels of a source, all frames added up; default 100 million.
    pub max_pixels: u64,
    /// Most pixels of a result and of anything in between; default 100 million.
    pub max_output_pixels: u64,
    /// Most frames of an animation; default 2000.
    pub max_frames: usize,
    /// Most sources of one request, the files that its tasks name included; default 100.
    pub max_sources: usize,
    /// Most bytes of the sources of one archive together; default 4 GiB.
    pub max_archive_bytes: u64,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            memory: GIB,
            queue_timeout: Duration::from_secs(10),
            time_limit: Duration::from_secs(60),
            max_bytes: 256 * MIB,
            max_pixels: 100_000_000,
            max_output_pixels: 100_000_000,
            max_frames: 2_000,
            max_sources: 100,
            max_archive_bytes: 4 * GIB,
        }
    }
}

/// What is kept of results and of fetched originals.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Where; default `cache` in the data directory.
    pub directory: Option<PathBuf>,
    /// Bytes on disk; default 10 GiB.
    pub disk: u64,
    /// Bytes in memory; default 64 MiB.
    pub memory: u64,
    /// How long what was made from a file elsewhere counts as up to date; default 1 day.
    pub remote_fresh: Duration,
    /// How long after that it is still answered, while it is made anew in the background; default 30 days.
    pub remote_stale: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self { directory: None, disk: 10 * GIB, memory: 64 * MIB, remote_fresh: day, remote_stale: 30 * day }
    }
}
