//! Writing an object: one request up to a part's size, an upload of parts beyond.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use md5::{Digest, Md5};
use opendal::{Metadata, Operator, Writer, options::WriteOptions};
use tokio::runtime::Handle;

use super::{
    failure::{self, failure},
    id,
    provider::Facts,
    write_options,
};
use crate::{BlobWriter, ObjectId, ObjectKey, ObjectMeta, StoreError};

const PART: u64 = 8 << 20;
/// Parts on the way at once; with one that is gathering, an upload takes three parts of memory.
const PARTS_IN_FLIGHT: usize = 2;

pub(super) struct ObjectWriter {
    operator: Operator,
    /// `None` once it is closed or aborted.
    upload: Option<Writer>,
    /// Of everything written, while that is short enough for one request: then the provider may tell its own.
    digest: Option<Md5>,
    written: u64,
    container: String,
    key: String,
    id: ObjectId,
    runtime: Handle,
}

impl ObjectWriter {
    pub(super) async fn create(
        operator: Operator,
        facts: &Facts,
        key: &ObjectKey,
        meta: &ObjectMeta,
    ) -> Result<Self, StoreError> {
        let container = key.container().as_str();
        let options = WriteOptions {
            chunk: Some(part_size(meta.length, facts.parts)),
            concurrent: PARTS_IN_FLIGHT,
            ..write_options(facts, &operator, meta)
        };
        let upload = operator.writer_options(key.key(), options).await;
        let upload = upload.map_err(|error| failure::of_write(container, error))?;
        Ok(Self {
            operator,
            upload: Some(upload),
            digest: Some(Md5::new()),
            written: 0,
            container: container.to_owned(),
            key: key.key().to_owned(),
            id: id(container, key.key()),
            runtime: Handle::current(),
        })
    }

    fn upload(&mut self) -> Result<&mut Writer, StoreError> {
        let given_up = || StoreError::Other("the object was given up after an error".to_owned());
        self.upload.as_mut().ok_or_else(given_up)
    }

    fn hash(&mut self, chunk: &Bytes) {
        self.written += chunk.len() as u64;
        if self.written > PART {
            self.digest = None;
        } else if let Some(digest) = &mut self.digest {
            digest.update(chunk);
        }
    }

    /// Compares with what the provider says of the whole object.
    fn verify(&mut self, stored: &Metadata) -> Result<(), StoreError> {
        let written = self.digest.take().map(|digest| BASE64_STANDARD.encode(digest.finalize()));
        match (written, stored.content_md5()) {
            (Some(written), Some(told)) if !told.is_empty() && told != written => {
                Err(StoreError::Corrupt(format!("the provider has the MD5 {told} instead of {written}")))
            }
            _ => Ok(()),
        }
    }

    async fn give_up(&mut self) {
        if let Some(upload) = self.upload.take() {
            abort(upload, &self.container, &self.id).await;
        }
    }

    /// Other bytes than were sent may not stay under the key.
    async fn remove_corrupt(&self) {
        if let Err(error) = self.operator.delete(&self.key).await {
            let error = failure(&self.container, error);
            tracing::error!(object = self.id.as_str(), %error, "a corrupt object may be left at the provider");
        }
    }
}

#[async_trait::async_trait]
impl BlobWriter for ObjectWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        self.hash(&chunk);
        let Err(error) = self.upload()?.write(chunk).await else {
            return Ok(());
        };
        self.give_up().await;
        Err(failure::of_write(&self.container, error))
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectId, StoreError> {
        let outcome = match self.upload()?.close().await {
            Ok(stored) => {
                self.upload = None;
                self.verify(&stored)
            }
            Err(error) => {
                self.give_up().await;
                Err(failure::of_write(&self.container, error))
            }
        };
        if let Err(StoreError::Corrupt(_)) = outcome {
            self.remove_corrupt().await;
        }
        outcome.map(|()| self.id.clone())
    }

    async fn abort(mut self: Box<Self>) {
        self.give_up().await;
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let (container, id) = (self.container.clone(), self.id.clone());
            self.runtime.spawn(async move { abort(upload, &container, &id).await });
        }
    }
}

/// Unfinished parts are invisible but cost money, so they are given back to the provider.
async fn abort(mut upload: Writer, container: &str, id: &ObjectId) {
    if let Err(error) = upload.abort().await {
        let error = failure(container, error);
        tracing::warn!(object = id.as_str(), %error, "the parts of an abandoned upload may be left at the provider");
    }
}

/// Bytes of a part: larger than usual only if the object would have too many. An object of unknown length ends at
/// 8 MiB for each part that the provider takes.
fn part_size(length: Option<u64>, most_parts: u64) -> usize {
    let needed = length.unwrap_or(0).div_ceil(most_parts);
    needed.max(PART).next_multiple_of(1 << 20) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_8_mib_unless_there_would_be_too_many() {
        const TIB: u64 = 1 << 40;
        assert_eq!(part_size(None, 10_000), 8 << 20);
        assert_eq!(part_size(Some(0), 10_000), 8 << 20);
        assert_eq!(part_size(Some(10_000 * PART), 10_000), 8 << 20);
        assert_eq!(part_size(Some(10_000 * PART + 1), 10_000), 9 << 20);
        assert!((5 * TIB).div_ceil(part_size(Some(5 * TIB), 10_000) as u64) <= 10_000);
    }
}
