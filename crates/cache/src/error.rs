//! Why a cache cannot be opened.

use std::{io, path::PathBuf};

/// Why a cache cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another cache of this one, uses the directory.
    #[error("the cache directory {} is in use", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be used.
    #[error("the cache directory {} cannot be used: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
}
