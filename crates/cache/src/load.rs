//! Entries of earlier runs come back into the index, directory by directory, in the background; what is asked for before comes first.

use std::{
    io::ErrorKind,
    sync::{Arc, PoisonError, Weak},
};

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
            if self.disk.is_own(version) {
                continue;
            }
            let gone = match self.disk.open_entry(id, version) {
                Ok((_, sealed)) if sealed.label.life.age(|| self.now()) == Age::Expired => vec![(id, version)],
                Ok((_, sealed)) => {
                    let charge = self.disk_charge(sealed.file_length, sealed.label.tags.len());
                    let tags = Arc::from(sealed.label.tags);
                    let stored = Stored { life: sealed.label.life, tags, version, trusted: false };
                    self.index().adopt(id, stored, charge)
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
}

/// Loads everything. Ends early when the cache is dropped. Blocking.
pub(crate) fn load_all(core: &Weak<Core>) {
    for leaf in 0..LEAVES {
        let Some(core) = core.upgrade() else { return };
        core.load_leaf(leaf);
    }
    if let Some(core) = core.upgrade() {
        core.index().all_loaded();
        core.loaded.send_replace(true);
    }
}
