//! The whole of an object as a stream, whichever way its store gives it.

use std::io;

use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use stowage_store::{Blob, BlobStore, ObjectId, StoreError};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// Bytes of a local file that are read at once.
const CHUNK: usize = 256 * 1024;

/// The whole of an object.
pub(super) async fn content(
    store: &dyn BlobStore,
    object: &ObjectId,
    size: u64,
) -> Result<BoxStream<'static, Result<Bytes, StoreError>>, StoreError> {
    if size == 0 {
        return Ok(stream::empty().boxed());
    }
    Ok(match store.open(object, 0..size).await? {
        Blob::Memory(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        Blob::Stream(chunks) => chunks,
        Blob::File { file, range } => {
            let content = tokio::fs::File::from_std(file).take(range.end);
            ReaderStream::with_capacity(content, CHUNK).map_err(unreadable).boxed()
        }
    })
}

fn unreadable(error: io::Error) -> StoreError {
    StoreError::Other(error.to_string())
}
