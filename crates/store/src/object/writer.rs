//! Writing an object to S3: one PutObject up to a part's size, a multipart upload beyond.

use bytes::Bytes;
use opendal::{Operator, Writer};
use tokio::runtime::Handle;

use super::failure;
use crate::{BlobWriter, ObjectId, ObjectMeta, StoreError};

const PART: u64 = 8 << 20;
/// Parts of one object that S3 allows.
const MOST_PARTS: u64 = 10_000;
/// Parts on the way at once; with one that is gathering, an upload takes three parts of memory.
const PARTS_IN_FLIGHT: usize = 2;

pub(super) struct S3Writer {
    /// `None` once it is closed or aborted.
    upload: Option<Writer>,
    bucket: String,
    id: ObjectId,
    runtime: Handle,
}

impl S3Writer {
    pub(super) async fn create(
        operator: &Operator,
        bucket: &str,
        key: &str,
        meta: &ObjectMeta,
    ) -> Result<Self, StoreError> {
        let upload = operator
            .writer_with(key)
            .content_type(meta.media_type.as_str())
            .chunk(part_size(meta.length))
            .concurrent(PARTS_IN_FLIGHT)
            .await
            .map_err(|error| failure(bucket, error))?;
        Ok(Self {
            upload: Some(upload),
            bucket: bucket.to_owned(),
            id: ObjectId::from_catalogue(format!("{bucket}/{key}")),
            runtime: Handle::current(),
        })
    }

    fn upload(&mut self) -> Result<&mut Writer, StoreError> {
        let given_up = || StoreError::Other("the object was given up after an error".to_owned());
        self.upload.as_mut().ok_or_else(given_up)
    }

    async fn give_up(&mut self) {
        if let Some(upload) = self.upload.take() {
            abort(upload, &self.id).await;
        }
    }
}

#[async_trait::async_trait]
impl BlobWriter for S3Writer {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let Err(error) = self.upload()?.write(chunk).await else {
            return Ok(());
        };
        self.give_up().await;
        Err(failure(&self.bucket, error))
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectId, StoreError> {
        if let Err(error) = self.upload()?.close().await {
            self.give_up().await;
            return Err(failure(&self.bucket, error));
        }
        self.upload = None;
        Ok(self.id.clone())
    }

    async fn abort(mut self: Box<Self>) {
        self.give_up().await;
    }
}

impl Drop for S3Writer {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let id = self.id.clone();
            self.runtime.spawn(async move { abort(upload, &id).await });
        }
    }
}

/// Unfinished parts are invisible but cost money, so they are given back to the provider.
async fn abort(mut upload: Writer, id: &ObjectId) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(object = id.as_str(), %error, "the parts of an abandoned upload may be left at the provider");
    }
}

/// Bytes of a part: larger than usual only if the object would have too many. An object of unknown length ends at 80 GiB.
fn part_size(length: Option<u64>) -> usize {
    let needed = length.unwrap_or(0).div_ceil(MOST_PARTS);
    needed.max(PART).next_multiple_of(1 << 20) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_8_mib_unless_there_would_be_too_many() {
        const TIB: u64 = 1 << 40;
        assert_eq!(part_size(None), 8 << 20);
        assert_eq!(part_size(Some(0)), 8 << 20);
        assert_eq!(part_size(Some(MOST_PARTS * PART)), 8 << 20);
        assert_eq!(part_size(Some(MOST_PARTS * PART + 1)), 9 << 20);
        assert!((5 * TIB).div_ceil(part_size(Some(5 * TIB)) as u64) <= MOST_PARTS);
    }
}
