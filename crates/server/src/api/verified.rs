//! Whole contents from a provider, compared with their SHA-256 on the way to the client.
//!
//! The way to a provider may be plain HTTP, disks rot, and somebody else may write to the bucket. The last chunk is held back until the
//! digest is known, so that a wrong content is never complete in the eyes of a client.

use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use prometheus_client::metrics::counter::Counter;
use stowage_catalogue::FileRow;
use stowage_core::handle::Handle;
use stowage_store::StoreError;

use crate::{http::ApiError, ingest::hash::ContentHasher};

type Chunks = BoxStream<'static, Result<Bytes, StoreError>>;

struct Verification {
    chunks: Chunks,
    hasher: ContentHasher,
    expected: [u8; 32],
    handle: Handle,
    mismatches: Counter,
    held_back: Option<Bytes>,
}

/// The chunks of the whole content of a file; an error takes the place of the last one if they are not what was stored, which is
/// logged and counted. Contents without a known SHA-256 pass as they are.
pub fn verified(chunks: Chunks, row: &FileRow, mismatches: Counter) -> Chunks {
    let Some(expected) = row.sha256 else { return chunks };
    let hasher = ContentHasher::new(false);
    let verification = Verification { chunks, hasher, expected, handle: row.handle, mismatches, held_back: None };
    stream::try_unfold(Some(verification), async |verification| match verification {
        Some(verification) => verification.next().await,
        None => Ok(None),
    })
    .boxed()
}

impl Verification {
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>, StoreError> {
        while let Some(chunk) = self.chunks.try_next().await? {
            self.hasher.update(chunk.clone()).await.map_err(died)?;
            if let Some(chunk) = self.held_back.replace(chunk) {
                return Ok(Some((chunk, Some(self))));
            }
        }
        let digests = self.hasher.finish().await.map_err(died)?;
        if digests.sha256 != self.expected {
            self.mismatches.inc();
            tracing::error!(handle = %self.handle, "what the provider sent is not what was stored; the answer was cut off");
            return Err(StoreError::Corrupt("the content has another SHA-256 than the file".to_owned()));
        }
        Ok(self.held_back.map(|last| (last, None)))
    }
}

fn died(error: ApiError) -> StoreError {
    StoreError::Other(error.cause.unwrap_or_else(|| error.message.into_owned()))
}
