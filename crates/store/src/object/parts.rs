//! Objects in parts at the providers of [`ObjectStore`]. opendal shows an upload of parts as one writer that lives in one
//! process; here it lives at the provider, so the requests are our own.

mod blocks;
mod multipart;
mod wire;
mod xml;

use std::{sync::Arc, time::Duration};

pub(super) use blocks::Blocks;
pub(super) use multipart::{Dialect, MARK, Multipart};
pub(super) use wire::{Clients, Sign, Wire};

use super::{ObjectStore, id, presign, transport::Note};
use crate::{
    ObjectId, ObjectKey, ObjectMeta, PartStore, PresignedRequest, StoreError,
    parts::{ListedPart, PartContent, PartReceipt, PartRules, PartUpload, Place},
};

/// How a provider is told of parts. Numbers, lengths and keys are checked before.
#[async_trait::async_trait]
pub(super) trait PartProtocol: Send + Sync {
    fn rules(&self) -> PartRules;

    /// Gives the provider's id of the upload.
    async fn begin(&self, place: &Place, meta: &ObjectMeta) -> Result<String, StoreError>;

    async fn put(&self, place: &Place, part: Part, content: PartContent) -> Result<PartReceipt, StoreError>;

    async fn list(&self, place: &Place) -> Result<Vec<ListedPart>, StoreError>;

    async fn complete(
        &self,
        place: &Place,
        meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<(), StoreError>;

    async fn abort(&self, place: &Place) -> Result<(), StoreError>;

    async fn presign(&self, place: &Place, part: Part, valid_for: Duration) -> Result<PresignedRequest, StoreError>;
}

/// What is known of a part before its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    number: u32,
    length: u64,
    md5: Option<[u8; 16]>,
}

/// The parts of one store.
pub(super) struct ObjectParts {
    store: ObjectStore,
    protocol: Arc<dyn PartProtocol>,
}

impl ObjectParts {
    pub(super) fn new(store: ObjectStore, protocol: Arc<dyn PartProtocol>) -> Self {
        Self { store, protocol }
    }
}

#[async_trait::async_trait]
impl PartStore for ObjectParts {
    fn rules(&self) -> PartRules {
        self.protocol.rules()
    }

    async fn begin(&self, key: &ObjectKey, meta: &ObjectMeta) -> Result<PartUpload, StoreError> {
        self.store.check_new_key(key.key())?;
        self.store.operator(key.container().as_str(), meta.access, Note::default())?;
        let mut place = Place::new(key);
        place.id = self.protocol.begin(&place, meta).await?;
        place.upload()
    }

    async fn put(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        content: PartContent,
    ) -> Result<PartReceipt, StoreError> {
        self.rules().check(number, length)?;
        self.protocol.put(&Place::of(upload)?, Part { number, length, md5 }, content).await
    }

    async fn list(&self, upload: &PartUpload) -> Result<Vec<ListedPart>, StoreError> {
        self.protocol.list(&Place::of(upload)?).await
    }

    async fn complete(
        &self,
        upload: &PartUpload,
        key: &ObjectKey,
        meta: &ObjectMeta,
        parts: &[(u32, u64, PartReceipt)],
    ) -> Result<ObjectId, StoreError> {
        let place = Place::of_key(upload, key)?;
        self.protocol.complete(&place, meta, parts).await?;
        Ok(id(&place.container, &place.key))
    }

    async fn abort(&self, upload: &PartUpload) -> Result<(), StoreError> {
        let Ok(place) = Place::of(upload) else { return Ok(()) };
        match self.protocol.abort(&place).await {
            Err(StoreError::NotFound) => Ok(()),
            result => result,
        }
    }

    async fn presign(
        &self,
        upload: &PartUpload,
        number: u32,
        length: u64,
        md5: Option<[u8; 16]>,
        valid_for: Duration,
    ) -> Result<PresignedRequest, StoreError> {
        let rules = self.rules();
        rules.check(number, length)?;
        if !rules.presign {
            let name = self.store.facts().name;
            return Err(StoreError::Unsupported(format!("{name} storage takes no parts but through this server")));
        }
        presign::check_duration(valid_for)?;
        self.protocol.presign(&Place::of(upload)?, Part { number, length, md5 }, valid_for).await
    }
}
