//! How large a cache may become, and what it says about itself.

use std::{sync::Arc, time::SystemTime};

/// Bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes on disk, directory entries and blocks that are not full included; 0: nothing is kept on disk. On top
    /// comes what is being written, and what is being read after its eviction.
    pub disk_bytes: u64,
    /// Entries on disk: the index of them is in memory and takes some 400 bytes for each.
    pub disk_entries: u64,
    /// Bytes in memory, without the index of the disk; 0: nothing is kept in memory.
    pub memory_bytes: u64,
    /// Longest body that is kept in memory and answered from there, bytes.
    pub memory_body: u64,
    /// The part of each tier, from 0 to 1, that an owner keeps when others need room.
    pub owner_share: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            disk_bytes: 10 << 30,
            disk_entries: 500_000,
            memory_bytes: 64 << 20,
            memory_body: 256 << 10,
            owner_share: 0.5,
        }
    }
}

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What a cache has done since it was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Answers from memory.
    pub memory_hits: u64,
    /// Answers from disk.
    pub disk_hits: u64,
    /// Calls that found nothing and did not wait for another one.
    pub misses: u64,
    /// Calls that waited for the computation of another one.
    pub shared: u64,
    /// Answers past their time.
    pub stale: u64,
    /// Entries that were found damaged.
    pub broken: u64,
    /// Results that could not be written to disk.
    pub unwritten: u64,
    /// Entries that left memory for want of room.
    pub memory_evictions: u64,
    /// Entries that left the disk for want of room.
    pub disk_evictions: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// Entries in memory.
    pub memory_entries: u64,
    /// Entries on disk.
    pub disk_entries: u64,
}
