//! Random bytes of the operating system.

use crate::error::{CatalogueError, Result};

/// Lets `make` draw from the operating system's generator; fails if the generator did.
pub(crate) fn draw<T>(make: impl FnOnce(&mut dyn FnMut(&mut [u8])) -> T) -> Result<T> {
    let mut failure = None;
    let made = make(&mut |bytes| failure = getrandom::fill(bytes).err().or(failure));
    match failure {
        None => Ok(made),
        Some(error) => Err(CatalogueError::internal(error)),
    }
}
