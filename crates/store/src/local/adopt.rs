//! Taking in a file that is already on this disk: a second name for it, as durable as a stored object.

use std::{io, path::Path};

use rustix::io::Errno;

use super::{LocalStore, blocking, read_failure, writer::PartialFile};
use crate::{ObjectId, StoreError};

pub(super) async fn adopt(store: &LocalStore, staged: &Path) -> Result<ObjectId, StoreError> {
    let (directory, generation, staged) = (store.directory.clone(), store.generation, staged.to_owned());
    let durable = blocking(move || {
        let file = PartialFile::adopt(directory, generation, &staged)?;
        file.sync()?;
        Ok(file)
    });
    // If this is cancelled, the result of that thread is dropped, and with it the new name.
    Ok(durable.await.map_err(failure)?.keep())
}

fn failure(error: io::Error) -> StoreError {
    // Another file system, or one without second names.
    let in_place = [Errno::XDEV, Errno::PERM, Errno::OPNOTSUPP, Errno::MLINK];
    match Errno::from_io_error(&error) {
        Some(errno) if in_place.contains(&errno) => {
            StoreError::Unsupported(format!("the file cannot be taken in where it is: {error}"))
        }
        _ => read_failure(error),
    }
}
