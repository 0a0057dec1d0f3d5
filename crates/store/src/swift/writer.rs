//! Writing an object to Swift: one PUT up to a segment's size, a static large object beyond.

use std::{mem, sync::Arc};

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use reqwest::{
    Method,
    header::{ETAG, HeaderMap, HeaderValue},
};
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    account::{Account, object_headers},
    api::Request,
    manifest::{Segment, SegmentNames, check_etag, manifest_etag, segments_container},
    object_id,
};
use crate::{BlobWriter, ObjectId, ObjectKey, ObjectMeta, StoreError};

/// Segments of a manifest that every cluster allows.
const MOST_SEGMENTS: usize = 1000;
/// The first half of the segments is small, so that usual objects take little memory; the other half makes room.
const SMALL_SEGMENT: usize = 8 << 20;
const LARGE_SEGMENT: usize = 64 << 20;
const LONGEST_OBJECT: u64 = (MOST_SEGMENTS / 2 * (SMALL_SEGMENT + LARGE_SEGMENT)) as u64;
/// Segments on the way at once; with the one that is gathering, an upload takes three segments of memory.
const SEGMENTS_IN_FLIGHT: usize = 2;

pub(super) struct SwiftWriter {
    /// `None` once it is committed or given up.
    upload: Option<Upload>,
    runtime: Handle,
}

impl SwiftWriter {
    pub(super) fn create(account: Arc<Account>, key: &ObjectKey, meta: &ObjectMeta) -> Result<Self, StoreError> {
        if meta.length.is_some_and(|length| length > LONGEST_OBJECT) {
            return Err(too_long());
        }
        let upload = Upload {
            account,
            key: key.clone(),
            headers: object_headers(meta)?,
            gathered: BytesMut::new(),
            names: SegmentNames::new(key.key()),
            started: 0,
            in_flight: JoinSet::new(),
            sent: Vec::new(),
        };
        Ok(Self { upload: Some(upload), runtime: Handle::current() })
    }

    fn upload(&mut self) -> Result<&mut Upload, StoreError> {
        let given_up = || StoreError::Other("the object was given up after an error".to_owned());
        self.upload.as_mut().ok_or_else(given_up)
    }

    async fn give_up(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.discard().await;
        }
    }
}

#[async_trait::async_trait]
impl BlobWriter for SwiftWriter {
    async fn write(&mut self, chunk: Bytes) -> Result<(), StoreError> {
        let result = self.upload()?.write(chunk).await;
        if result.is_err() {
            self.give_up().await;
        }
        result
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectId, StoreError> {
        let upload = self.upload()?;
        let id = object_id(&upload.key);
        if let Err(error) = upload.commit().await {
            self.give_up().await;
            return Err(error);
        }
        self.upload = None;
        Ok(id)
    }

    async fn abort(mut self: Box<Self>) {
        self.give_up().await;
    }
}

impl Drop for SwiftWriter {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.runtime.spawn(upload.discard());
        }
    }
}

struct Upload {
    account: Arc<Account>,
    key: ObjectKey,
    headers: HeaderMap,
    gathered: BytesMut,
    names: SegmentNames,
    /// Segments that were begun, sent or not.
    started: usize,
    in_flight: JoinSet<Result<Segment, StoreError>>,
    sent: Vec<Segment>,
}

impl Upload {
    async fn write(&mut self, mut chunk: Bytes) -> Result<(), StoreError> {
        while !chunk.is_empty() {
            let room = segment_size(self.started) - self.gathered.len();
            if room == 0 {
                self.start_segment().await?;
                continue;
            }
            self.gathered.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
        }
        Ok(())
    }

    async fn start_segment(&mut self) -> Result<(), StoreError> {
        if self.started == MOST_SEGMENTS {
            return Err(too_long());
        }
        while self.in_flight.len() >= SEGMENTS_IN_FLIGHT {
            self.finish_one().await?;
        }
        let bytes = mem::take(&mut self.gathered).freeze();
        let (account, container) = (self.account.clone(), self.key.container().clone());
        let name = self.names.name(self.started);
        self.started += 1;
        self.in_flight.spawn(async move {
            let md5 = md5_of(bytes.clone()).await?;
            let container = container.as_str();
            let segment = Segment { container: segments_container(container), name, md5, size: bytes.len() as u64 };
            let headers = etag_header(&segment.md5)?;
            account.put_segment(container, &segment, headers, bytes).await?;
            Ok(segment)
        });
        Ok(())
    }

    async fn finish_one(&mut self) -> Result<(), StoreError> {
        if let Some(finished) = self.in_flight.join_next().await {
            let segment = finished.map_err(|error| StoreError::Other(format!("the upload of a segment: {error}")))?;
            self.sent.push(segment?);
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        let replaced = self.account.replaced_segments(&self.key).await?;
        if self.started == 0 {
            self.put_whole().await?
        } else {
            self.put_large().await?
        }
        self.account.delete_replaced(replaced).await;
        Ok(())
    }

    async fn put_whole(&mut self) -> Result<(), StoreError> {
        let bytes = mem::take(&mut self.gathered).freeze();
        let md5 = md5_of(bytes.clone()).await?;
        let container = self.key.container().as_str();
        let request = Request::object(Method::PUT, container, self.key.key())
            .headers(mem::take(&mut self.headers))
            .headers(etag_header(&md5)?)
            .body(bytes);
        let checked = check_etag(&self.account.send_for(container, &request).await?, &md5);
        if checked.is_err() {
            // Nobody may find bytes that are not those that were sent.
            let _ = self.account.api().send(&Request::object(Method::DELETE, container, self.key.key())).await;
        }
        checked
    }

    async fn put_large(&mut self) -> Result<(), StoreError> {
        if !self.gathered.is_empty() {
            self.start_segment().await?;
        }
        while !self.in_flight.is_empty() {
            self.finish_one().await?;
        }
        // Segments finish in any order; their names are in the object's.
        self.sent.sort_by(|one, other| one.name.cmp(&other.name));
        let container = self.key.container().as_str();
        let headers = mem::take(&mut self.headers);
        match self.account.put_manifest(container, self.key.key(), headers, &self.sent).await {
            Err(StoreError::Unavailable(cause)) => {
                self.is_visible().await.then_some(()).ok_or(StoreError::Unavailable(cause))
            }
            result => result,
        }
    }

    /// Whether the object is there although the answer to its manifest was lost.
    async fn is_visible(&self) -> bool {
        let request = Request::object(Method::HEAD, self.key.container().as_str(), self.key.key());
        let head = self.account.api().send(&request).await;
        head.is_ok_and(|head| check_etag(&head, &manifest_etag(&self.sent)).is_ok())
    }

    /// Removes the segments, after those on the way have arrived: otherwise they might arrive later.
    async fn discard(mut self) {
        while self.in_flight.join_next().await.is_some() {}
        self.account.discard(self.key.container().as_str(), &self.names, self.started).await;
    }
}

/// Hashing megabytes would hold up the other tasks of the thread.
async fn md5_of(bytes: Bytes) -> Result<String, StoreError> {
    tokio::task::spawn_blocking(move || hex::encode(Md5::digest(&bytes)))
        .await
        .map_err(|error| StoreError::Other(format!("hashing: {error}")))
}

/// Makes Swift compare what arrives.
fn etag_header(md5: &str) -> Result<HeaderMap, StoreError> {
    let value = HeaderValue::from_str(md5).map_err(|error| StoreError::Other(error.to_string()))?;
    Ok(HeaderMap::from_iter([(ETAG, value)]))
}

fn segment_size(number: usize) -> usize {
    if number < MOST_SEGMENTS / 2 { SMALL_SEGMENT } else { LARGE_SEGMENT }
}

fn too_long() -> StoreError {
    StoreError::Unsupported(format!("Swift storage takes files of up to {LONGEST_OBJECT} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segments_make_the_longest_object() {
        let together: u64 = (0..MOST_SEGMENTS).map(|number| segment_size(number) as u64).sum();
        assert_eq!(together, LONGEST_OBJECT);
        assert_eq!(LONGEST_OBJECT, 36_000 << 20);
    }
}
