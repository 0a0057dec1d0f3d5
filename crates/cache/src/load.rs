//! Entries of earlier runs come back into the index, directory by directory, in the background; what is asked for before comes first.
//!
//! Before that, their lengths are added up, which takes a small part of the time. From then on, the bound holds for all files
//! together; until then, no file is written.

use std::{
    io::ErrorKind,
    sync::{Arc, PoisonError, Weak},
};

use tokio::task::spawn_blocking;

use crate::{
    core::Core,
    disk::{LEAVES, leaf},
    entry::{Age, Id},
    index::Stored,
};

impl Core {
    /// What earlier runs left for this key is in the index when this returns. Blocking.
    pub(crate) fn load_for(&self, id: Id) {
        self.load_leaf(leaf(id.key));
    }

    /// Takes the entries of one directory in, and removes those that are broken or too old.
    fn load_leaf(&self, leaf: u16) {
        if self.index().is_leaf_loaded(leaf) {
            return;
        }
        // One at a time: a second call could bring an entry back that was removed after the first had taken it in.
        let _turn = self.load_turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index().is_leaf_loaded(leaf) {
            return;
        }
        for (id, version) in self.disk.list(leaf) {
            let gone = match self.disk.open_entry(id, version) {
                Ok((_, sealed)) if sealed.label.life.age(|| self.now()) == Age::Expired => vec![(id, version)],
                Ok((_, sealed)) => {
                    let charge = self.disk_charge(sealed.file_length, sealed.label.tags.len());
                    let counted = self.disk_charge(sealed.file_length, 0);
                    let tags = Arc::from(sealed.label.tags);
                    let stored = Stored { life: sealed.label.life, tags, version, trusted: false };
                    self.index().adopt(id, stored, charge, counted)
                }
                Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                    self.count(|counters| counters.broken += 1);
                    vec![(id, version)]
                }
                Err(_) => Vec::new(),
            };
            self.disk.remove(&gone);
        }
        self.index().leaf_loaded(leaf);
    }

    /// Adds up what the entries of one directory take, without a look into them.
    fn count_leaf(&self, leaf: u16) {
        let _turn = self.load_turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index().is_leaf_loaded(leaf) {
            return;
        }
        let bytes = self.disk.lengths(leaf).into_iter().map(|length| self.disk_charge(length, 0)).sum();
        self.index().leaf_counted(leaf, bytes);
    }

    fn all_loaded(&self) {
        self.index().all_loaded();
        self.loaded.send_replace(true);
    }
}

/// Loads everything in the background, unless there is nothing. Ends early when the cache is dropped. Blocking.
pub(crate) fn start(core: &Arc<Core>) {
    if core.disk.is_empty() {
        return core.all_loaded();
    }
    let core = Arc::downgrade(core);
    spawn_blocking(move || load_all(&core));
}

/// `None`: the cache was dropped.
fn load_all(core: &Weak<Core>) -> Option<()> {
    (0..LEAVES).try_for_each(|leaf| core.upgrade().map(|core| core.count_leaf(leaf)))?;
    core.upgrade()?.index().all_counted();
    (0..LEAVES).try_for_each(|leaf| core.upgrade().map(|core| core.load_leaf(leaf)))?;
    core.upgrade()?.all_loaded();
    Some(())
}
