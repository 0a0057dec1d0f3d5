//! A few read connections; in WAL mode they never wait for the writer.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rusqlite::Connection;

use crate::{connection::open_reader, error::Result};

/// More connections than this cost memory without making reads faster.
const MOST: usize = 8;

pub(crate) struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    pub(crate) fn open(file: &Path) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(2, |cores| cores.get());
        let connections =
            (0..cores.clamp(2, MOST)).map(|_| open_reader(file).map(Mutex::new)).collect::<Result<_>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    /// Runs `work` on a connection that is free, or else waits for one. Blocks for as long as `work` does.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let count = self.connections.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count;
        for offset in 0..count {
            match self.connections[(first + offset) % count].try_lock() {
                Ok(connection) => return work(&connection),
                Err(TryLockError::Poisoned(poisoned)) => return work(&poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let connection = self.connections[first].lock().unwrap_or_else(PoisonError::into_inner);
        work(&connection)
    }
}
