//! One writer at a time for objects whose name can be written more than once.
//!
//! On a remote store an exact key (`path=docs/a.txt`) names the same object each time. Two uploads to it, or an upload and the
//! removal of its predecessor, must not interleave between "object written" and "row committed".

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use stowage_catalogue::StoreId;
use tokio::sync::OwnedMutexGuard;

type Name = (StoreId, String);

/// The locks that are held or waited for.
#[derive(Clone, Default)]
pub struct ObjectLocks(Arc<Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>>);

/// Holds the lock of one object until dropped.
pub struct ObjectGuard {
    locks: ObjectLocks,
    name: Name,
    guard: Option<OwnedMutexGuard<()>>,
}

impl ObjectLocks {
    /// Waits until nobody else writes or removes the object.
    pub async fn lock(&self, store: StoreId, object: &str) -> ObjectGuard {
        let name = (store, object.to_owned());
        let lock = self.table().entry(name.clone()).or_default().clone();
        let guard = Some(lock.lock_owned().await);
        ObjectGuard { locks: self.clone(), name, guard }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Name, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ObjectGuard {
    fn drop(&mut self) {
        self.guard = None;
        let mut table = self.locks.table();
        // Waiters hold clones; the last one out takes the entry along.
        if table.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            table.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_holder_at_a_time_and_nothing_left_behind() {
        let locks = ObjectLocks::default();
        let first = locks.lock(1, "bucket/key").await;
        let other = locks.lock(1, "bucket/other").await;
        let second = tokio::spawn({
            let locks = locks.clone();
            async move { drop(locks.lock(1, "bucket/key").await) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.expect("the waiter gets its turn");
        drop(other);
        assert!(locks.table().is_empty());
    }
}
