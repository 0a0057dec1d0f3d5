//! Objects that arrive in parts, in any order, over days and restarts: what the provider keeps of them until they are put
//! together. All that a server must remember is text for the catalogue, so any driver instance can go on where another
//! one stopped.

mod checked;
mod place;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{ObjectId, ObjectKey, ObjectMeta, PresignedRequest, StoreError};
pub(crate) use checked::checked;
pub(crate) use place::Place;

/// What a provider demands of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRules {
    /// Fewest bytes of a part, the last one aside.
    pub smallest: u64,
    /// Most bytes of a part.
    pub largest: u64,
    /// Most parts; their numbers run from 1 to it.
    pub count: u32,
    /// [`PartStore::presign`] works.
    pub presign: bool,
}

impl PartRules {
    /// Refuses a part that the provider would not take: `Unsupported`, with the reason.
    pub(crate) fn check(&self, number: u32, length: u64) -> Result<(), StoreError> {
        if number == 0 || number > self.count {
            return Err(StoreError::Unsupported(format!(
                "parts of this storage are numbered from 1 to {}",
                self.count
            )));
        }
        if length > self.largest {
            return Err(StoreError::Unsupported(format!("parts of this storage have up to {} bytes", self.largest)));
        }
        Ok(())
    }
}

/// The provider's name for an unfinished object: opaque, kept in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct PartUpload(String);

impl PartUpload {
    /// Takes a name back from the catalogue.
    pub fn from_catalogue(text: String) -> Self {
        Self(text)
    }

    /// The text to keep.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the provider answered for a part (ETag, block id, segment): opaque, kept in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct PartReceipt(String);

impl PartReceipt {
    /// Takes a receipt back from the catalogue.
    pub fn from_catalogue(text: String) -> Self {
        Self(text)
    }

    /// The text to keep.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part that the provider holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// From 1 on.
    pub number: u32,
    /// Length in bytes.
    pub size: u64,
    /// As [`PartStore::put`] gives it; empty if the provider's list does not tell it.
    pub receipt: PartReceipt,
}

/// The bytes of a part on their way in. An error in it ends the part: nothing of it is acknowledged.
pub type PartContent = BoxStream<'static, Result<Bytes, StoreError>>;

/// A provider that keeps parts itself, so that whole parts need no second copy.
#[async_trait::async_trait]
pub trait PartStore: Send + Sync {
    /// What the provider demands.
    fn rules(&self) -> PartRules;
    /// Begins an object; nothing is visible under the key before [`PartStore::complete`].
    async fn begin(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<PartUpload, StoreError>;
    /// Stores or replaces one part of exactly `length` bytes; durable at the provider when it returns. The content is
    /// hashed on the way and compared with what the provider received, and with `md5` if the sender announced one
    /// ([`StoreError::Corrupt`]). A content error (told as it is) or another length acknowledges nothing. Never repeated,
    /// for the content is gone; the caller may, with the same content or another one.
    async fn put(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        content: PartContent,
    ) -> Result<PartReceipt, StoreError>;
    /// What the provider holds, by number. An unknown upload is `NotFound`, or empty where the provider keeps only parts.
    async fn list(&self, upload: &PartUpload) -> Result<Vec<ListedPart>, StoreError>;
    /// Puts the object together from exactly these parts (number, bytes, receipt) in this order. Repeating after success
    /// gives the same answer. `NotFound` if the upload or one of the parts is gone.
    async fn complete(
        &self,
        upload: &PartUpload,
        key: &ObjectKey,
        meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<ObjectId, StoreError>;
    /// Throws all parts away; an unknown upload is success, and a finished object stays. Azure knows no such request: its
    /// parts go when the key is written, or a week after the last one came.
    async fn abort(&self, upload: &PartUpload) -> Result<(), StoreError>;
    /// A PUT of one part straight to the provider within `valid_for`. `Unsupported` unless [`PartRules::presign`].
    async fn presign(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError>;
}
