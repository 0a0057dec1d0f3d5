//! The two tiers put together: looking up, keeping, removing.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use tokio::{sync::watch, task::spawn_blocking};

use crate::{
    disk::{Disk, Version},
    draft::Draft,
    entry::{Age, Body, Entry, FileBody, Id, Life, Made, MadeBody, Meta, Tag},
    format::{self, Label},
    index::{Counters, Found, Gone, Index, Resident, Stored},
    settings::{Clock, Figures, Settings},
    tier::Tier,
};

/// Space is given out in blocks of this many bytes.
const BLOCK: u64 = 4096;
/// What the directory entry and the inode of a file take, bytes.
const FILE_OVERHEAD: u64 = 512;
/// What an entry in memory takes besides its body and its texts, bytes.
const MEMORY_OVERHEAD: u64 = 512;
/// What a tag takes in the index, bytes.
const TAG_OVERHEAD: u64 = 128;
/// So many tags take as much of the index as an entry itself.
const TAGS_OF_AN_ENTRY: u64 = 4;

/// Everything but the computations.
pub(crate) struct Core {
    pub(crate) disk: Disk,
    pub(crate) clock: Clock,
    pub(crate) loaded: watch::Sender<bool>,
    /// Whoever holds it loads a directory of an earlier run.
    pub(crate) load_turn: Mutex<()>,
    settings: Settings,
    index: Mutex<Index>,
}

impl Core {
    pub(crate) fn new(disk: Disk, settings: Settings, clock: Clock) -> Self {
        let memory = Tier::new(settings.memory_bytes, settings.owner_share);
        let stored = Tier::new(settings.disk_bytes, settings.owner_share);
        let index = Mutex::new(Index::new(memory, stored));
        Self { disk, clock, loaded: watch::Sender::new(false), load_turn: Mutex::new(()), settings, index }
    }

    /// The index. Nothing panics while it is locked, so it is whole even if the lock says otherwise.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something.
    pub(crate) fn count(&self, what: impl FnOnce(&mut Counters)) {
        what(&mut self.index().counters);
    }

    /// An entry that can be used, and whether it is past its time.
    pub(crate) async fn find(self: &Arc<Self>, id: Id) -> Option<(Entry, Age)> {
        if let Some(found) = self.find_in_memory(id) {
            return found;
        }
        let core = self.clone();
        spawn_blocking(move || core.find_on_disk(id)).await.ok().flatten()
    }

    /// `None` if only the disk can tell.
    fn find_in_memory(&self, id: Id) -> Option<Option<(Entry, Age)>> {
        let mut index = self.index();
        match index.find(id, &*self.clock) {
            Found::Memory(entry, age) => {
                index.counters.memory_hits += u64::from(age == Age::Fresh);
                Some(Some((entry, age)))
            }
            Found::Nothing if index.is_loaded(id.key) => Some(None),
            Found::Nothing | Found::Disk { .. } | Found::Expired => None,
        }
    }

    /// Blocking.
    fn find_on_disk(&self, id: Id) -> Option<(Entry, Age)> {
        self.load_for(id);
        let (age, version, trusted) = match self.find_or_drop(id) {
            Found::Memory(entry, age) => return Some((entry, age)),
            Found::Disk { age, version, trusted } => (age, version, trusted),
            Found::Nothing | Found::Expired => return None,
        };
        match self.disk.read(id, version, self.settings.memory_body, trusted) {
            Ok(entry) => {
                let mut index = self.index();
                index.counters.disk_hits += u64::from(age == Age::Fresh);
                let tags = index.disk.peek(id).map_or(0, |stored| stored.tags.len());
                index.promote(id, version, &entry, self.memory_charge(&entry, tags));
                Some((entry, age))
            }
            Err(error) => {
                self.unreadable(id, version, &error);
                None
            }
        }
    }

    /// Looks for an entry, and removes one that is too old. Blocking.
    fn find_or_drop(&self, id: Id) -> Found {
        let mut index = self.index();
        let found = index.find(id, &*self.clock);
        let gone = if matches!(found, Found::Expired) { index.remove(id) } else { Vec::new() };
        if let Found::Memory(_, Age::Fresh) = found {
            index.counters.memory_hits += 1;
        }
        drop(index);
        self.disk.remove(&gone);
        found
    }

    /// Removes what is damaged. Any other error, as that there are no descriptors left, says nothing about the entry.
    fn unreadable(&self, id: Id, version: Version, error: &io::Error) {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::UnexpectedEof) {
            tracing::warn!(%error, "an entry of the cache cannot be read");
            return;
        }
        let gone = {
            let mut index = self.index();
            let gone = index.remove_version(id, version);
            index.counters.broken += gone.len() as u64;
            gone
        };
        if !gone.is_empty() {
            tracing::warn!(%error, "a damaged entry of the cache was dropped");
        }
        self.disk.remove(&gone);
    }

    /// Makes a result an entry, unless it is doomed or does not fit; it can be used either way. Blocking.
    ///
    /// Error: the file that the maker gave cannot be read.
    pub(crate) fn keep(&self, id: Id, ticket: u64, tags: &Arc<[Tag]>, made: Made) -> io::Result<Entry> {
        let life = Life::new((self.clock)(), made.freshness);
        let (draft, body) = self.body(made.body)?;
        let entry = Entry { meta: Arc::new(made.meta), body, life };
        let stored = draft.and_then(|draft| self.write(id, draft, &entry, tags));
        let resident = self
            .memory_charge(&entry, tags.len())
            .map(|charge| (Resident { entry: entry.clone(), tags: tags.clone() }, charge));
        self.load_for(id);
        let gone = {
            let mut index = self.index();
            if index.is_doomed(ticket) {
                stored.map(|(stored, _)| (id, stored.version)).into_iter().collect()
            } else {
                index.insert(id, resident, stored, tags)
            }
        };
        self.disk.remove(&gone);
        Ok(entry)
    }

    /// The body as it is answered, and the draft of its file if it is to be kept on disk, with length and CRC.
    fn body(&self, made: MadeBody) -> io::Result<(Option<Written>, Body)> {
        match made {
            MadeBody::Memory(bytes) => {
                // What the maker gave can be a small part of a large buffer.
                let bytes = if self.is_small(bytes.len() as u64) { Bytes::copy_from_slice(&bytes) } else { bytes };
                let written = if self.settings.disk_bytes > 0 { self.written(&bytes) } else { None };
                Ok((written, Body::Memory(bytes)))
            }
            MadeBody::File(mut draft) => {
                let (file, length, crc) = draft.finish()?;
                let body = if self.is_small(length) {
                    let mut bytes = vec![0; length as usize];
                    file.read_exact_at(&mut bytes, 0)?;
                    Body::Memory(Bytes::from(bytes))
                } else {
                    Body::File(FileBody::new(file, length))
                };
                Ok((Some(Written { draft, length, crc }), body))
            }
        }
    }

    /// A draft of a body that is in memory; `None` if it cannot be written, which costs the entry on disk and not the answer.
    fn written(&self, bytes: &Bytes) -> Option<Written> {
        let write = || {
            let mut draft = self.disk.draft()?;
            draft.write_all(bytes)?;
            let (_, length, crc) = draft.finish()?;
            Ok(Written { draft, length, crc })
        };
        write().map_err(|error| self.not_written(&error)).ok()
    }

    /// Gives a draft its place; `None` if that fails, if it would have to be evicted at once, or if nobody knows yet what room there is.
    fn write(&self, id: Id, written: Written, entry: &Entry, tags: &Arc<[Tag]>) -> Option<(Stored, u64)> {
        let Written { mut draft, length, crc } = written;
        if !self.index().knows_its_room() {
            return None;
        }
        let version = self.disk.new_version();
        let label = Label::new(id, (*entry.meta).clone(), tags, entry.life);
        let seal = format::seal(&label, length, crc).map_err(|error| self.not_written(&error)).ok()?;
        let charge = self.disk_charge(length + seal.len() as u64, tags.len());
        if charge > self.settings.disk_bytes {
            return None;
        }
        draft.keep(&seal, length, &self.disk.path(id, version)).map_err(|error| self.not_written(&error)).ok()?;
        Some((Stored { life: entry.life, tags: tags.clone(), version, trusted: true }, charge))
    }

    fn not_written(&self, error: &io::Error) {
        self.count(|counters| counters.unwritten += 1);
        tracing::warn!(%error, "a result cannot be written to the cache");
    }

    /// Removes what `which` takes out of the index. When this returns, its files are gone.
    pub(crate) async fn remove(self: &Arc<Self>, which: impl FnOnce(&mut Index) -> Gone) {
        let gone = which(&mut self.index());
        if gone.is_empty() {
            return;
        }
        let core = self.clone();
        // The index forgot them already; a runtime that shuts down leaves files, which the next start takes for entries.
        let _ = spawn_blocking(move || core.disk.remove(&gone)).await;
    }

    /// What an entry takes on disk, rounded up to blocks. A small file costs at least its part of the index.
    pub(crate) fn disk_charge(&self, file_length: u64, tags: usize) -> u64 {
        let place = (file_length + FILE_OVERHEAD).next_multiple_of(BLOCK);
        let share_of_index = self.settings.disk_bytes.div_ceil(self.settings.disk_entries.max(1));
        place.max(share_of_index * (1 + tags as u64 / TAGS_OF_AN_ENTRY))
    }

    /// What an entry takes in memory; `None` if it does not belong there.
    fn memory_charge(&self, entry: &Entry, tags: usize) -> Option<u64> {
        let Body::Memory(bytes) = &entry.body else { return None };
        let length = bytes.len() as u64;
        self.is_small(length)
            .then(|| length + weight(&entry.meta) + MEMORY_OVERHEAD + tags as u64 * TAG_OVERHEAD)
            .filter(|&charge| charge <= self.settings.memory_bytes)
    }

    fn is_small(&self, length: u64) -> bool {
        length <= self.settings.memory_body
    }

    /// What time it is.
    pub(crate) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// Figures as of now.
    pub(crate) fn figures(&self) -> Figures {
        let index = self.index();
        let Counters { memory_hits, disk_hits, misses, shared, stale, broken, unwritten } = index.counters;
        Figures {
            memory_hits,
            disk_hits,
            misses,
            shared,
            stale,
            broken,
            unwritten,
            memory_evictions: index.memory.evictions(),
            disk_evictions: index.disk.evictions(),
            memory_bytes: index.memory.bytes(),
            disk_bytes: index.disk.bytes(),
            memory_entries: index.memory.length() as u64,
            disk_entries: index.disk.length() as u64,
        }
    }
}

/// A body that is in a file.
struct Written {
    draft: Draft,
    length: u64,
    crc: u32,
}

/// What the texts of a meta take in memory, bytes.
fn weight(meta: &Meta) -> u64 {
    let texts = [Some(&meta.media_type), meta.file_name.as_ref(), meta.etag.as_ref()];
    let length: usize = texts.into_iter().flatten().map(String::len).sum();
    length as u64 + weight_of_json(&meta.data)
}

/// Bytes; containers are counted with what their slots take.
fn weight_of_json(value: &serde_json::Value) -> u64 {
    const SLOT: u64 = 64;
    SLOT + match value {
        serde_json::Value::String(text) => text.len() as u64,
        serde_json::Value::Array(values) => values.iter().map(weight_of_json).sum(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() as u64 + SLOT + weight_of_json(value)).sum()
        }
        _ => 0,
    }
}
