//! What is where. All of it is under one lock, which is never held over a system call.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::SystemTime,
};

use crate::{
    disk::{LEAVES, Version, leaf},
    entry::{Age, Entry, Id, Key, Life, Owner, Tag},
    tier::{Evicted, Tier},
};

/// Files that nothing names any more.
pub(crate) type Gone = Vec<(Id, Version)>;

/// An entry in memory.
pub(crate) struct Resident {
    pub(crate) entry: Entry,
    pub(crate) tags: Arc<[Tag]>,
}

/// An entry on disk.
pub(crate) struct Stored {
    pub(crate) life: Life,
    pub(crate) tags: Arc<[Tag]>,
    pub(crate) version: Version,
    /// Whether its body is known to be what was written.
    pub(crate) trusted: bool,
}

/// Something that is to become an entry.
struct Pending {
    owner: Owner,
    tags: Arc<[Tag]>,
    /// What it depends on was purged after it began.
    doomed: bool,
}

/// A directory with entries of earlier runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Unknown,
    /// What those of its files take that are not in the index yet, bytes.
    Counted(u64),
    Loaded,
}

/// The entries of earlier runs that are not in the index yet.
struct Loading {
    leaves: Vec<Leaf>,
    all_counted: bool,
    purged_tags: HashSet<Tag>,
    purged_owners: HashSet<Owner>,
}

/// What a look into the index found.
pub(crate) enum Found {
    Memory(Entry, Age),
    Disk {
        age: Age,
        version: Version,
        trusted: bool,
    },
    /// It is too old for any use.
    Expired,
    Nothing,
}

/// Counted since the start.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) memory_hits: u64,
    pub(crate) disk_hits: u64,
    pub(crate) misses: u64,
    pub(crate) shared: u64,
    pub(crate) stale: u64,
    pub(crate) broken: u64,
    pub(crate) unwritten: u64,
}

/// The index.
pub(crate) struct Index {
    pub(crate) memory: Tier<Resident>,
    pub(crate) disk: Tier<Stored>,
    pub(crate) counters: Counters,
    tagged: HashMap<Tag, HashSet<Id>>,
    pending: HashMap<u64, Pending>,
    tickets: u64,
    loading: Option<Loading>,
}

impl Index {
    pub(crate) fn new(memory: Tier<Resident>, disk: Tier<Stored>) -> Self {
        let loading = Loading {
            leaves: vec![Leaf::Unknown; usize::from(LEAVES)],
            all_counted: false,
            purged_tags: HashSet::new(),
            purged_owners: HashSet::new(),
        };
        Self {
            memory,
            disk,
            counters: Counters::default(),
            tagged: HashMap::new(),
            pending: HashMap::new(),
            tickets: 0,
            loading: Some(loading),
        }
    }

    /// Looks for an entry and uses it.
    pub(crate) fn find(&mut self, id: Id, now: impl Fn() -> SystemTime) -> Found {
        // What is used in memory is used on disk too: it must not be cold there when it leaves memory.
        let stored = self.disk.touch(id);
        if let Some(resident) = self.memory.touch(id) {
            return match resident.entry.life.age(now) {
                Age::Expired => Found::Expired,
                age => Found::Memory(resident.entry.clone(), age),
            };
        }
        match stored.map(|stored| (stored.life.age(now), stored.version, stored.trusted)) {
            None => Found::Nothing,
            Some((Age::Expired, ..)) => Found::Expired,
            Some((age, version, trusted)) => Found::Disk { age, version, trusted },
        }
    }

    /// Whether there is an entry that needs no making.
    pub(crate) fn has_fresh(&self, id: Id, now: impl Fn() -> SystemTime) -> bool {
        let resident = self.memory.peek(id).map(|resident| &resident.entry.life);
        let life = resident.or_else(|| self.disk.peek(id).map(|stored| &stored.life));
        life.is_some_and(|life| life.age(now) == Age::Fresh)
    }

    /// Something begins that is to become an entry.
    pub(crate) fn begin(&mut self, owner: Owner, tags: Arc<[Tag]>) -> u64 {
        self.tickets += 1;
        self.pending.insert(self.tickets, Pending { owner, tags, doomed: false });
        self.tickets
    }

    /// It has ended, one way or the other.
    pub(crate) fn end(&mut self, ticket: u64) {
        self.pending.remove(&ticket);
    }

    /// Whether it may not become an entry any more; what has ended may not either.
    pub(crate) fn is_doomed(&self, ticket: u64) -> bool {
        self.pending.get(&ticket).is_none_or(|pending| pending.doomed)
    }

    /// A new version of an entry, in one tier or in both, each with its charge.
    pub(crate) fn insert(
        &mut self,
        id: Id,
        resident: Option<(Resident, u64)>,
        stored: Option<(Stored, u64)>,
        tags: &[Tag],
    ) -> Gone {
        let mut gone = self.remove(id);
        self.tag(id, tags);
        // A tier that is short of room can evict the entry itself: its tags stay while the other tier has it, so both take it in first.
        let from_memory = resident.map(|(resident, charge)| self.memory.insert(id, resident, charge));
        let from_disk = stored.map(|(stored, charge)| self.disk.insert(id, stored, charge));
        self.forget_evicted(from_memory.unwrap_or_default());
        gone.extend(self.forget_stored(from_disk.unwrap_or_default()));
        self.untag(id, tags);
        gone
    }

    /// An entry that was read from disk comes to memory, unless it was removed or replaced meanwhile.
    pub(crate) fn promote(&mut self, id: Id, version: Version, entry: &Entry, charge: Option<u64>) {
        let Some(stored) = self.disk.touch(id).filter(|stored| stored.version == version) else { return };
        stored.trusted = true;
        let resident = Resident { entry: entry.clone(), tags: stored.tags.clone() };
        let Some(charge) = charge else { return };
        if self.memory.peek(id).is_none() {
            let evicted = self.memory.insert(id, resident, charge);
            self.forget_evicted(evicted);
        }
    }

    /// An entry of an earlier run. It is the coldest there is, and gives way to whatever this run has. `counted`: what its file was
    /// counted as, if it was.
    pub(crate) fn adopt(&mut self, id: Id, stored: Stored, charge: u64, counted: u64) -> Gone {
        let purged = self.loading.as_ref().is_some_and(|loading| {
            loading.purged_owners.contains(&id.owner) || stored.tags.iter().any(|tag| loading.purged_tags.contains(tag))
        });
        let outdated = self.disk.peek(id).is_some_and(|known| known.life.made >= stored.life.made);
        if purged || outdated {
            return vec![(id, stored.version)];
        }
        let mut gone = self.remove(id);
        let tags = stored.tags.clone();
        self.tag(id, &tags);
        self.uncount(id.key, counted);
        let evicted = self.disk.insert_cold(id, stored, charge);
        gone.extend(self.forget_stored(evicted));
        gone
    }

    /// Removes an entry from both tiers.
    pub(crate) fn remove(&mut self, id: Id) -> Gone {
        if let Some(resident) = self.memory.remove(id) {
            self.untag(id, &resident.tags);
        }
        let stored = self.disk.remove(id);
        if let Some(stored) = &stored {
            self.untag(id, &stored.tags);
        }
        stored.map(|stored| (id, stored.version)).into_iter().collect()
    }

    /// Removes an entry if it still is this version.
    pub(crate) fn remove_version(&mut self, id: Id, version: Version) -> Gone {
        let current = self.disk.peek(id).is_some_and(|stored| stored.version == version);
        if current { self.remove(id) } else { Vec::new() }
    }

    /// Removes all entries with a tag, and dooms those that are being made.
    pub(crate) fn purge_tag(&mut self, tag: Tag) -> Gone {
        for pending in self.pending.values_mut() {
            pending.doomed |= pending.tags.contains(&tag);
        }
        if let Some(loading) = &mut self.loading {
            loading.purged_tags.insert(tag);
        }
        let ids = self.tagged.remove(&tag).unwrap_or_default();
        ids.into_iter().flat_map(|id| self.remove(id)).collect()
    }

    /// Removes all entries of an owner, and dooms those that are being made.
    pub(crate) fn purge_owner(&mut self, owner: Owner) -> Gone {
        for pending in self.pending.values_mut() {
            pending.doomed |= pending.owner == owner;
        }
        if let Some(loading) = &mut self.loading {
            loading.purged_owners.insert(owner);
        }
        let ids: HashSet<Id> = self.memory.of_owner(owner).chain(self.disk.of_owner(owner)).collect();
        ids.into_iter().flat_map(|id| self.remove(id)).collect()
    }

    /// Whether what earlier runs left for this key is in the index.
    pub(crate) fn is_loaded(&self, key: Key) -> bool {
        self.is_leaf_loaded(leaf(key))
    }

    /// The same for a whole directory.
    pub(crate) fn is_leaf_loaded(&self, leaf: u16) -> bool {
        self.loading.as_ref().is_none_or(|loading| loading.leaves[usize::from(leaf)] == Leaf::Loaded)
    }

    /// What earlier runs left in a directory takes so many bytes, none of it in the index yet.
    pub(crate) fn leaf_counted(&mut self, leaf: u16, bytes: u64) {
        self.set_leaf(leaf, Leaf::Counted(bytes));
        self.disk.reserve(bytes);
    }

    /// What earlier runs left is counted, so it is known how much room there is for what is new.
    pub(crate) fn all_counted(&mut self) {
        if let Some(loading) = &mut self.loading {
            loading.all_counted = true;
        }
    }

    /// Whether a new file may be written: the bound holds for all files, also for those that nobody has looked at yet.
    pub(crate) fn knows_its_room(&self) -> bool {
        self.loading.as_ref().is_none_or(|loading| loading.all_counted)
    }

    /// All that earlier runs left in a directory is in the index, or was removed.
    pub(crate) fn leaf_loaded(&mut self, leaf: u16) {
        if let Some(Leaf::Counted(rest)) = self.set_leaf(leaf, Leaf::Loaded) {
            self.disk.release(rest);
        }
    }

    fn set_leaf(&mut self, leaf: u16, to: Leaf) -> Option<Leaf> {
        let loading = self.loading.as_mut()?;
        Some(mem::replace(&mut loading.leaves[usize::from(leaf)], to))
    }

    /// The file of a key is in the index from now on.
    fn uncount(&mut self, key: Key, bytes: u64) {
        let Some(loading) = &mut self.loading else { return };
        if let Leaf::Counted(rest) = &mut loading.leaves[usize::from(leaf(key))] {
            let bytes = bytes.min(*rest);
            *rest -= bytes;
            self.disk.release(bytes);
        }
    }

    /// All that earlier runs left is in the index.
    pub(crate) fn all_loaded(&mut self) {
        self.loading = None;
    }

    fn tag(&mut self, id: Id, tags: &[Tag]) {
        for &tag in tags {
            self.tagged.entry(tag).or_default().insert(id);
        }
    }

    /// Forgets the tags of an entry that is in no tier any more.
    fn untag(&mut self, id: Id, tags: &[Tag]) {
        if self.memory.peek(id).is_some() || self.disk.peek(id).is_some() {
            return;
        }
        for tag in tags {
            if let Some(ids) = self.tagged.get_mut(tag) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.tagged.remove(tag);
                }
            }
        }
    }

    fn forget_evicted(&mut self, evicted: Evicted<Resident>) {
        for (id, resident) in evicted {
            self.untag(id, &resident.tags);
        }
    }

    fn forget_stored(&mut self, evicted: Evicted<Stored>) -> Gone {
        let mut gone = Vec::with_capacity(evicted.len());
        for (id, stored) in evicted {
            self.untag(id, &stored.tags);
            gone.push((id, stored.version));
        }
        gone
    }
}
