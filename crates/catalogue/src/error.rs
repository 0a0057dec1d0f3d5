//! One error type for all of the catalogue, and what SQLite and I/O failures mean in it.

use std::{fmt, io};

use rusqlite::{ErrorCode, ffi};

/// Why the catalogue refused or failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The app name is taken.
    #[error("an app named `{0}` exists already")]
    NameTaken(String),
    /// The app name breaks the rule in the text.
    #[error("{0}")]
    InvalidName(&'static str),
    /// No such app / file.
    #[error("not found")]
    NotFound,
    /// Another process claims the object.
    #[error("another process is writing this object")]
    Claimed,
    /// The app still owns files.
    #[error("the app still has {0} files; delete them first or use --force")]
    NotEmpty(u64),
    /// The master key does not open the sealed secrets.
    #[error("the master key does not fit this data directory: secrets cannot be opened")]
    WrongMasterKey,
    /// Disk full.
    #[error("the catalogue's disk is full")]
    Full,
    /// Anything else (SQLite, I/O).
    #[error("catalogue failure: {0}")]
    Internal(String),
}

impl CatalogueError {
    /// An [`Internal`](Self::Internal) failure described by its cause.
    pub(crate) fn internal(cause: impl fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }
}

impl From<rusqlite::Error> for CatalogueError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error() {
            Some(failure) if is_disk_full(failure) => Self::Full,
            _ => Self::internal(error),
        }
    }
}

impl From<io::Error> for CatalogueError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::internal(error),
        }
    }
}

/// SQLite reports ENOSPC as `SQLITE_FULL`, except where it grows the WAL index.
fn is_disk_full(failure: &ffi::Error) -> bool {
    failure.code == ErrorCode::DiskFull || failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE
}

pub(crate) type Result<T, E = CatalogueError> = std::result::Result<T, E>;
